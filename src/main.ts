#!/usr/bin/env node
/** Signals and exit codes; the program itself is in src/app/wire.ts. 0: stopped as told · 1: failed · 2: wrong configuration, or another installation has the cluster. */
import { Command } from 'commander';
import { archiveCommand } from './app/archive-command.ts';
import { checkCommand } from './app/check-command.ts';
import { ConfigError, readConfig } from './app/config.ts';
import { InstallationError } from './app/installation.ts';
import { wire } from './app/wire.ts';
import { ConfigurationError } from './kube/errors.ts';
import { SinkConfigurationError } from './events/sink.ts';
import { WatchedFileError } from './runtime/watched-files.ts';

const program = new Command('lablet-controller')
  .description('Runs timed, graded network labs. Configured by the environment; see docs.')
  .option('--config <file>', 'YAML file with the same names as the environment, which wins over it')
  .action(run);
const configFile = (): string | undefined => program.opts<{ config?: string }>().config;
program.addCommand(archiveCommand(configFile, (line) => void process.stdout.write(`${line}\n`)));
program.addCommand(checkCommand((line) => void process.stdout.write(`${line}\n`)));

async function run(): Promise<void> {
  const stop = new AbortController();
  let isWired = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // Nothing runs yet that would have to end. As the first process of a container it would not end by itself.
      if (!isWired) process.exit(0);
      // The second one is a person who will not wait.
      if (stop.signal.aborted) process.exit(1);
      stop.abort(new Error(signal));
    });
  }
  const { manager, log, close } = await wire(readConfig(process.env, configFile()));
  isWired = true;
  try {
    await manager.run(stop.signal);
  } catch (error) {
    log.fatal({ error }, error instanceof InstallationError ? error.message : 'the controller failed');
    process.exitCode = error instanceof InstallationError ? 2 : 1;
  }
  await close();
}

try {
  await program.parseAsync();
} catch (error) {
  const wrong = error instanceof ConfigError || error instanceof ConfigurationError || error instanceof SinkConfigurationError || error instanceof WatchedFileError;
  process.stderr.write(`lablet-controller: ${wrong ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = wrong ? 2 : 1;
}
