#!/usr/bin/env node
/** `kubectl lablet`, a plugin of kubectl: from the command line to an exit code. The commands are in program.ts. */
import { CommanderError } from 'commander';
import { Context } from './context.ts';
import { EXIT, failureOf } from './errors.ts';
import { program } from './program.ts';
import { harmless } from './style.ts';

// The reader of a pipe may have enough before we are done, such as head.
process.stdout.on('error', () => process.exit(EXIT.done));

let server: string | undefined;
try {
  await program(async (options, command) => {
    const context = await Context.open(options);
    server = context.server;
    try {
      await command(context);
    } finally {
      await context.client.close();
    }
  }).parseAsync();
} catch (error) {
  // Commander has said itself what is wrong with the command line.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else {
    const { exitCode, message } = failureOf(error, server);
    process.stderr.write(`kubectl lablet: ${message.split('\n').map(harmless).join('\n')}\n`);
    process.exitCode = exitCode;
  }
}
