#!/usr/bin/env node
import { runCommandLine } from './cli.ts';
import { holdTickShape } from './tick-shape.ts';
import { allocateYoung } from './young-allocation.ts';

allocateYoung();
holdTickShape();

// Whoever reads the output may stop early (`| head`): no reason for a server to end, nor for a command to fail.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  environment: process.env,
  stdin: process.stdin,
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
});
