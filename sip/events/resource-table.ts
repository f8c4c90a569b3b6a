/**
 * Values by event package and resource. Two maps, one in the other: both names are hashed once for all, where a key put together of them
 * would be made and hashed anew for every look.
 */
export class ResourceTable<V> {
  private readonly tables = new Map<string, Map<string, V>>();

  get(packageName: string, resource: string): V | undefined {
    return this.tables.get(packageName)?.get(resource);
  }

  set(packageName: string, resource: string, value: V): void {
    const table = this.tables.get(packageName);
    if (table) table.set(resource, value);
    else this.tables.set(packageName, new Map([[resource, value]]));
  }

  delete(packageName: string, resource: string): void {
    this.tables.get(packageName)?.delete(resource);
  }

  *values(): Iterable<V> {
    for (const table of this.tables.values()) yield* table.values();
  }

  get size(): number {
    let size = 0;
    for (const table of this.tables.values()) size += table.size;
    return size;
  }
}
