/** `check-config`: every mistake of the configuration, or none. It creates nothing. */
import { Engine } from '../engine/engine.js';
import { ConfigError, formatMistake } from '../errors.js';
import { counted } from '../units.js';
import { type GlobalOptions, readConfig, refuseOverlaps } from './open.js';
import { print, printJson } from './terminal.js';

export async function checkConfig(options: GlobalOptions): Promise<number> {
  try {
    const config = readConfig(options);
    const engine = new Engine({ memoryBytes: config.childMemoryBytes });
    try {
      await refuseOverlaps({ config, engine });
    } finally {
      await engine.close();
    }
    if (options.json === true) printJson({ file: config.file, mistakes: [], warnings: config.warnings });
    else {
      print(
        ...config.warnings.map((warning) => `warning: ${formatMistake(warning)}`),
        `${config.file}: valid; ${counted(config.databases.length, 'database')}, ${counted(config.schedules.length, 'schedule')}`,
      );
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (options.json === true) printJson({ mistakes: error.mistakes, warnings: [] });
    else print(...error.mistakes.map(formatMistake));
    return 78;
  }
}
