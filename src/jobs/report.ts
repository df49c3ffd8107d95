/** `report`: writes the run as JSON, Markdown and HTML once all databases are done. The deed is in report/; run.ts calls it. */
import { reportOptions } from './options.js';

export const report = {
  kind: 'report',
  description: 'Writes a report of the run as JSON, Markdown and HTML.',
  touches: 'nothing',
  catchUp: true,
  options: reportOptions,
} as const;
