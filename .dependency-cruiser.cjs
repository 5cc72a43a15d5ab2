// The import rule of docs/architecture.md: each room and what it may import.
// A room may always import itself and packages; src/main.ts and src/app may import everything.
const rooms = {
  api: [],
  core: ['api'],
  kube: ['api', 'telemetry'],
  runtime: ['kube', 'telemetry'],
  clients: ['api', 'telemetry'],
  events: ['api', 'core', 'kube', 'runtime', 'telemetry'],
  controllers: ['api', 'core', 'kube', 'runtime', 'clients', 'events', 'telemetry'],
  web: ['api', 'core', 'kube', 'events', 'telemetry'],
  cli: ['api', 'core', 'kube', 'telemetry'],
  telemetry: [],
};

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `room-${room}`,
      comment: `src/${room} may import only: ${[room, ...allowed].join(', ')}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
    })),
    { name: 'src-is-self-contained', severity: 'error', from: { path: '^src/' }, to: { path: '^(hack|test|bench)/' } },
    { name: 'core-does-no-io', severity: 'error', from: { path: '^src/(api|core)/' }, to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' } },
    { name: 'only-kube-speaks-to-kubernetes', severity: 'error', from: { path: '^src/', pathNot: '^src/kube/' }, to: { path: 'node_modules/@kubernetes/client-node' } },
    { name: 'only-events-imports-cloudevents', severity: 'error', from: { path: '^src/', pathNot: '^src/events/' }, to: { path: 'node_modules/cloudevents' } },
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, doNotFollow: { path: 'node_modules' }, enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js'] } },
};
