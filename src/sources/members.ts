import type { Services } from './contract.ts';

/** What the vendor's own tools do with the systems of one server, one after the other. */
export interface Members<Address> {
  /** `backup --all`: the systems of a server, which is a URL that names none of them; not those that drills made. */
  list(server: URL, services: Services): AsyncIterable<Address>;
  /** `backup --commit`: the same system, told to commit first what nobody committed. */
  committing(address: Address): Address;
  /**
   * `restore --manifest`: where an artifact goes that says itself where it belongs. What `to` has comes first; a `to` may name a
   * server alone, and be absent where the kind finds its server otherwise. Fails with ArtifactInvalid, or Usage where neither says enough.
   */
  home(artifact: string, to: URL | undefined, options: { readonly ignoreStorageId: boolean }): Promise<Address>;
}
