/**
 * Conditions that users write into definitions (`skipWhen`): the Common Expression Language, the one that Kubernetes
 * itself uses, over plain data. Pure. What a definition may cost the controller is bounded here: no regular expressions
 * (they can take exponential time), no loop within a loop, few nodes.
 */
import { Environment } from '@marcbachmann/cel-js';
import type { ASTNode } from '@marcbachmann/cel-js';

/** What a condition may look at: objects as the API server has them, and the steps so far by name. */
export interface ConditionData {
  session: object;
  definition: object;
  /** Empty while no worker is bound. */
  worker: object;
  steps: object;
}

/** The condition could not be evaluated on this data, or gave something else than true or false. */
export class ConditionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConditionError';
  }
}

const VARIABLES = ['session', 'definition', 'worker', 'steps'] as const satisfies (keyof ConditionData)[];
const LOOPS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one']);
const FUNCTIONS: ReadonlySet<string> = new Set(['has', 'size', 'startsWith', 'endsWith', 'contains', 'int', 'double', 'string', 'dyn', ...LOOPS]);

const environment = new Environment({ limits: { maxAstNodes: 200, maxDepth: 24, maxListElements: 32, maxMapEntries: 32, maxCallArguments: 4 } });
for (const variable of VARIABLES) environment.registerVariable(variable, 'map');

/** Why `text` cannot be a condition; undefined: it can. */
export function conditionProblem(text: string): string | undefined {
  try {
    const parsed = environment.parse(text);
    const refused = refusedIn(parsed.ast, false);
    if (refused !== undefined) return refused;
    const { valid, type, error } = parsed.check();
    if (!valid) return firstLine(error);
    return type === 'bool' || type === 'dyn' ? undefined : `it gives ${String(type)}, a condition gives true or false`;
  } catch (error) {
    return firstLine(error);
  }
}

/**
 * Evaluates a condition over the JSON of `data`.
 * @throws ConditionError if it is no condition, asks for a field that is not there, or does not give true or false
 */
export function holds(text: string, data: ConditionData): boolean {
  const problem = conditionProblem(text);
  if (problem !== undefined) throw new ConditionError(problem);
  let value: unknown;
  try {
    value = environment.evaluate(text, plainData(data));
  } catch (error) {
    throw new ConditionError(`${firstLine(error)} (guard fields that may be absent with has())`, { cause: error });
  }
  if (typeof value !== 'boolean') throw new ConditionError('it gives neither true nor false');
  return value;
}

/** The data as JSON has it, in Maps: they have no prototype to reach, and a key may have any name. */
function plainData(data: ConditionData): Record<string, unknown> {
  const toMap = (_key: string, value: unknown): unknown => (typeof value === 'object' && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : value);
  return Object.fromEntries(VARIABLES.map((variable) => [variable, JSON.parse(JSON.stringify(data[variable]), toMap)]));
}

/** The first call that is not allowed, in words. */
function refusedIn(node: ASTNode, inLoop: boolean): string | undefined {
  if (node.op === 'call' || node.op === 'rcall') {
    const [name] = node.args;
    if (!FUNCTIONS.has(name)) return `function ${name} is not available; there are ${[...FUNCTIONS].join(', ')}`;
    if (LOOPS.has(name) && inLoop) return `${name} within another loop is not allowed`;
    return firstOf(nodesIn(node.args), (child) => refusedIn(child, inLoop || LOOPS.has(name)));
  }
  return firstOf(nodesIn(node.args), (child) => refusedIn(child, inLoop));
}

/** The nodes among the operands of a node, however they are nested in lists. */
function nodesIn(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(nodesIn);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
