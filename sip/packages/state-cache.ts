/** What has been made of a resource's state, kept until that changes. Bounded: whatever is dropped is made again. */
const STATE_LIMIT = 10_000;

export class StateCache<State> {
  private readonly states = new Map<string, State>();
  private readonly make: (resource: string) => State;

  constructor(make: (resource: string) => State) {
    this.make = make;
  }

  get(resource: string): State {
    let state = this.states.get(resource);
    if (state === undefined) {
      state = this.make(resource);
      if (this.states.size >= STATE_LIMIT) this.states.clear();
      this.states.set(resource, state);
    }
    return state;
  }

  forget(resource: string): void {
    this.states.delete(resource);
  }
}
