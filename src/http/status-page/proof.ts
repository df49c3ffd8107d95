/** How a backup was proven, for people: `BackupView.verified` says it for programs. */
export function proof(verified: string): string {
  if (verified === 'DAMAGED') return 'damaged';
  return verified === 'rows only' ? 'rows counted' : verified;
}
