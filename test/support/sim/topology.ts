import { readFileSync } from 'node:fs';

const SAMPLE = new URL('../../../config/samples/campus-edge.cml.yaml', import.meta.url);

/** The sample lab with numbers in place of its port placeholders, counting up from `firstPort` in the order of the file. */
export function campusEdge(firstPort = 2_002): string {
  const ports = new Map<string, number>();
  return readFileSync(SAMPLE, 'utf8').replaceAll(/\$\{PORT_\w+\}/g, (placeholder) => {
    const port = ports.get(placeholder) ?? firstPort + ports.size;
    ports.set(placeholder, port);
    return String(port);
  });
}

/** A lab of `count` routers without links. */
export function routers(count: number, tags: readonly string[] = []): string {
  const nodes = Array.from({ length: count }, (_, index) => ({ id: `n${index}`, label: `r${index}`, node_definition: 'iosv', tags: index === 0 ? tags : [] }));
  return JSON.stringify({ lab: { title: `${count} routers`, version: '0.3.0' }, nodes });
}
