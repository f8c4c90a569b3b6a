/** Bounds the bytes that many hold together. When there are too many, whoever has been holding some for the longest time must go. */
export class ByteBudget<Holder> {
  private readonly limit: number;
  private readonly evict: (holder: Holder) => void;
  /** In the order in which they began to hold something. */
  private readonly holders = new Map<Holder, number>();
  private total = 0;

  /** @param evict tells a holder to let go; it counts as holding nothing from then on */
  constructor(limit: number, evict: (holder: Holder) => void) {
    this.limit = limit;
    this.evict = evict;
  }

  get bytes(): number {
    return this.total;
  }

  /** The holder holds that many bytes now, 0 for none. */
  set(holder: Holder, bytes: number): void {
    this.total += bytes - (this.holders.get(holder) ?? 0);
    if (bytes === 0) this.holders.delete(holder);
    else this.holders.set(holder, bytes);
    while (this.total > this.limit) {
      const [oldest] = this.holders.entries();
      if (oldest === undefined) return;
      this.holders.delete(oldest[0]);
      this.total -= oldest[1];
      this.evict(oldest[0]);
    }
  }
}
