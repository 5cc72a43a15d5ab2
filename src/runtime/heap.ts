/**
 * A binary heap whose members know their place, so that any of them can be taken out again.
 *
 * Plain heaps of the registries only pop the smallest; a queue that moves a key from "in an hour"
 * to "now" ten times a second would leave ten dead entries a second behind for that hour.
 */
export interface HeapMember {
  /** Where the heap holds this member; -1 while it holds it not. Owned by the heap. */
  place: number;
}

export class Heap<T extends HeapMember> {
  private readonly members: T[] = [];
  private readonly before: (a: T, b: T) => boolean;

  /** @param before whether `a` comes out before `b` */
  constructor(before: (a: T, b: T) => boolean) {
    this.before = before;
  }

  get size(): number {
    return this.members.length;
  }

  peek(): T | undefined {
    return this.members[0];
  }

  push(member: T): void {
    this.members.push(member);
    this.rise(this.members.length - 1, member);
  }

  pop(): T | undefined {
    const first = this.members[0];
    if (first) this.remove(first);
    return first;
  }

  /** Takes `member` out, wherever it is; it must be in this heap. */
  remove(member: T): void {
    const hole = member.place;
    const last = this.members.pop();
    member.place = -1;
    if (last === undefined || last === member) return;
    this.rise(hole, last);
    this.sink(last.place, last);
  }

  private rise(from: number, member: T): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.members[above];
      if (!parent || !this.before(member, parent)) break;
      this.put(place, parent);
      place = above;
    }
    this.put(place, member);
  }

  private sink(from: number, member: T): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      const left = this.members[below];
      const right = this.members[below + 1];
      if (!left) break;
      const child = right && this.before(right, left) ? right : left;
      if (child === right) below++;
      if (!this.before(child, member)) break;
      this.put(place, child);
      place = below;
    }
    this.put(place, member);
  }

  private put(place: number, member: T): void {
    this.members[place] = member;
    member.place = place;
  }
}
