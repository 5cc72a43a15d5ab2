/** Why a topology cannot be used; reasons of the condition `Synced` (contract §1.1 and §4.2). */

export type TopologyErrorReason = 'InvalidTopology' | 'TopologyTooLarge';

/** The only error that the functions of this folder throw. The message names node and tag where there is one. */
export class InvalidTopologyError extends Error {
  readonly reason: TopologyErrorReason;
  /** Label of the node. */
  readonly node: string | undefined;
  readonly tag: string | undefined;

  constructor(problem: string, where: { reason?: TopologyErrorReason; node?: string; tag?: string } = {}) {
    const { reason = 'InvalidTopology', node, tag } = where;
    const place = [
      ...(node === undefined ? [] : [`node ${JSON.stringify(short(node))}`]),
      ...(tag === undefined ? [] : [`tag ${JSON.stringify(short(tag))}`]),
    ].join(', ');
    super(place === '' ? problem : `${place}: ${problem}`);
    this.name = 'InvalidTopologyError';
    this.reason = reason;
    this.node = node;
    this.tag = tag;
  }
}

/** A condition's message stays below 1 KiB, whatever stands in the file. */
function short(text: string): string {
  return text.length > 130 ? `${text.slice(0, 130)}…` : text;
}
