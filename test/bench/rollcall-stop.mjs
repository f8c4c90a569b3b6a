#!/usr/bin/env node
// rollcall-stop.mjs DATA - ends the server that rollcall-start.mjs recorded there.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const file = join(process.argv[2], 'pids');
if (existsSync(file)) {
  const pid = Number(readFileSync(file, 'utf8'));
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  if (alive()) process.kill(pid, 'SIGTERM');
  for (let tries = 0; alive() && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
  if (alive()) process.kill(pid, 'SIGKILL');
  rmSync(file);
}
