/** The package brings no types. */
declare module 'asl-validator' {
  export interface Validation {
    readonly isValid: boolean;
    errorsText(separator?: string): string;
  }
  const validate: (definition: unknown) => Validation;
  export default validate;
}
