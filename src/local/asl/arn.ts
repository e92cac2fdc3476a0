/** `arn:aws:states:<region>:<account>:execution:<machine>:<name>`: where it runs, and whose it is. Undefined for any other text. */
export function machineOfExecution(executionArn: string): { readonly place: string; readonly machine: string } | undefined {
  const [, place, machine] = /^(arn:[^:]+:states:[^:]*:[^:]*):execution:([^:]+):[^:]+$/.exec(executionArn) ?? [];
  return place === undefined || machine === undefined ? undefined : { place, machine };
}
