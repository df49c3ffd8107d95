import { expect, test } from 'vitest';
import { runHook } from '../../src/guard/hooks.js';

test('a hook that hangs is ended, and is not taken for the end of the run', async () => {
  const hook = runHook('before_restore', ['/bin/sleep', '60'], { timeoutMs: 50, facts: {} });
  await expect(hook).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining('was stopped') as string,
  });
});
