/** Whether a stream leads to the systemd journal, as systemd.exec(5) says to find out: `$JOURNAL_STREAM` is its device and inode. */
export function isJournal(
  environment: NodeJS.ProcessEnv,
  stream: { readonly dev: number; readonly ino: number },
): boolean {
  return environment['JOURNAL_STREAM'] === `${stream.dev}:${stream.ino}`;
}
