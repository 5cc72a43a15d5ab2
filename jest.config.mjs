// ESM mode (node --experimental-vm-modules): @kubernetes/client-node is ESM only.
const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2024', experimental: { keepImportAttributes: true } }, module: { type: 'es6' }, sourceMaps: 'inline' }],
  },
  transformIgnorePatterns: ['/node_modules/'],
};

// Tests of these projects run against a real API server, one control plane for each worker.
const withClusters = {
  ...common,
  globalSetup: '<rootDir>/test/support/clusters.setup.ts',
  globalTeardown: '<rootDir>/test/support/clusters.teardown.ts',
};

export default {
  // For two cores: much of a test's time is spent in waiting for deadlines. Each worker has a control plane of its own.
  maxWorkers: 3,
  // A real API server takes its time on a busy machine; a test that waits fails with what it saw, not by this limit.
  testTimeout: 60_000,
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts', '<rootDir>/test/property/**/*.test.ts'] },
    // Programs on other SDKs, built with Go and Python; no control plane.
    { ...common, displayName: 'conformance', testMatch: ['<rootDir>/test/conformance/**/*.test.ts'] },
    { ...withClusters, displayName: 'integration', testMatch: ['<rootDir>/test/integration/**/*.test.ts'] },
    { ...withClusters, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'] },
  ],
};
