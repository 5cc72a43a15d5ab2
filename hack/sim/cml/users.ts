import { randomUuid, seededRandom } from '../common/random.ts';

export interface User {
  readonly id: string;
  readonly username: string;
  readonly admin: boolean;
}

/** The accounts of a host: the login that the simulator was started with, and whoever owns a foreign lab. */
export class Users {
  readonly #seed: string;
  readonly #login: User;
  #users: User[];

  constructor(login: string, seed: string) {
    this.#seed = seed;
    this.#login = { id: this.#idOf(login), username: login, admin: true };
    this.#users = [this.#login];
  }

  get login(): User {
    return this.#login;
  }

  list(): readonly User[] {
    return this.#users;
  }

  nameOf(id: string): string {
    return this.#users.find((user) => user.id === id)?.username ?? '';
  }

  /** The user of that name; made if there is none. */
  ensure(username: string): User {
    const known = this.#users.find((user) => user.username === username);
    if (known) return known;
    const user = { id: this.#idOf(username), username, admin: false };
    this.#users = [...this.#users, user];
    return user;
  }

  reset(): void {
    this.#users = [this.#login];
  }

  #idOf(username: string): string {
    return randomUuid(seededRandom(`${this.#seed}/user/${username}`));
  }
}
