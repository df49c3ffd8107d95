/** Debuggle's `logs` table. Its timestamps are text, `YYYY-MM-DD HH:MM:SS`, which sorts by time and compares with datetime(). */
import type { Profile } from './profile.js';

export const debuggle: Profile = {
  requiredTables: ['logs'],
  probe: "SELECT log_id, timestamp, summary FROM logs WHERE severity = 'error' ORDER BY timestamp DESC LIMIT 50",
  totalRows: 'SELECT count(*) FROM logs',
  recentActivity: "SELECT count(*) FROM logs WHERE timestamp > datetime('now', '-1 day')",
};
