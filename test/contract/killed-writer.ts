import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const WRITER = join(import.meta.dirname, '../../dist/test/contract/writer.js');

/**
 * Starts the writing process on a directory, kills it with SIGKILL at some point after its `lines`th acknowledgement, and resolves with
 * the last acknowledgement that it gave for each name, as the words of the line.
 */
export function killWriter(kind: 'documents' | 'state', directory: string, run: number, lines: number): Promise<Map<string, string[]>> {
  if (!existsSync(WRITER)) throw new Error('dist/ is missing: run npm run build first');
  const child = spawn(process.execPath, [WRITER, kind, directory, String(run)], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('latin1');
    child.stdout.on('data', (chunk: string) => {
      output += chunk;
      if (!child.killed && output.split('\n').length > lines) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`the writer ended by itself: ${code ?? signal}`));
      const last = new Map<string, string[]>();
      // What stands after the last line feed is half an acknowledgement.
      for (const line of output.split('\n').slice(0, -1)) {
        const words = line.split(' ');
        last.set(words[0] ?? '', words);
      }
      resolve(last);
    });
  });
}
