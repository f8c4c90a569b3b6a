/** One operation of a patch (RFC 5261 4.3 to 4.5). */
export interface PatchOperation {
  readonly name: 'add' | 'replace' | 'remove';
  readonly sel: string;
  readonly pos?: 'before' | 'after' | 'prepend';
  /** `@name` where an attribute is added. */
  readonly type?: string;
  /** White space around a removed node that goes with it. */
  readonly ws?: 'before' | 'after' | 'both';
  /** XML as it goes into the document. */
  readonly content?: string;
  /** Bindings that the content needs and the patch as a whole has otherwise; '' for the default namespace, '' for none. */
  readonly namespaces?: ReadonlyMap<string, string>;
}
