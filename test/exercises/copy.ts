import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { FOLDER } from '../../exercises/check/layers.ts';

const ROOT = join(FOLDER, '..');

/** A clone as a student has it, on the branch `main`, but with what is not committed here; `more` are files beside it. */
export async function copyRepository(more: Record<string, string> = {}): Promise<string> {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'bookinfo copy-')));
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { stdout } = await execa('git', args, { cwd: ROOT });
  for (const file of stdout.split('\0').filter((it) => it && existsSync(join(ROOT, it))))
    cpSync(join(ROOT, file), join(copy, file), { verbatimSymlinks: true, recursive: true });
  for (const [file, text] of Object.entries(more)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }
  const git = (...words: string[]) => execa('git', words, { cwd: copy });
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message=base');
  return copy;
}
