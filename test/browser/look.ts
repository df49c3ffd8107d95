/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What can be seen of a page, measured inside the browser. The functions are handed over as text and run there: each stands for itself.
 */
import type { Page } from 'playwright-core';

/** As if a reader had opened every part that can be. */
export async function openAll(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const one of document.querySelectorAll('details')) one.open = true;
  });
}

/** By how many pixels the page is wider than its window. */
export async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.scrollingElement ?? document.documentElement;
    return scrollWidth - clientWidth;
  });
}

/** Pieces of text that lie upon each other, as pairs. What scrolls inside its own region is clipped there. */
export async function overlaps(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    interface Piece {
      readonly text: string;
      readonly box: DOMRect;
    }
    const found: string[] = [];
    for (const card of document.querySelectorAll('header, .card, footer')) {
      const pieces: Piece[] = [];
      const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        const text = node.textContent?.trim() ?? '';
        const parent = node.parentElement;
        if (text === '' || parent === null || parent.closest('title, desc, progress, .scroll') !== null) continue;
        // Left to those who do not see.
        const head = parent.closest('thead');
        if (head !== null && getComputedStyle(head).clipPath !== 'none') continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        // A line at a time: the box around two lines has much in it that is empty.
        for (const box of range.getClientRects()) if (box.width > 0 && box.height > 0) pieces.push({ text, box });
      }
      pieces.forEach((one, n) => {
        for (const other of pieces.slice(n + 1)) {
          const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
          const high = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
          // Boxes of lines are taller than their letters and touch.
          if (wide > 1 && high > 4) found.push(`${one.text.slice(0, 40)} | ${other.text.slice(0, 40)}`);
        }
      });
    }
    return found;
  });
}

/** The text whose colour is too near to what lies behind it: under 4.5 to 1, or under 3 to 1 where it is large. */
export async function faint(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const channels = (color: string): readonly number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (color: string): number => {
      const [r = 0, g = 0, b = 0] = channels(color).map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element: Element | null): string => {
      for (let at = element; at !== null; at = at.parentElement) {
        const color = getComputedStyle(at).backgroundColor;
        if ((channels(color)[3] ?? 1) === 1) return color;
      }
      return 'rgb(255, 255, 255)';
    };
    const found = new Set<string>();
    let looked = 0;
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim() !== '');
      if (!own || element.closest('title, desc, progress') !== null) continue;
      looked += 1;
      const style = getComputedStyle(element);
      const color = element.closest('svg') === null ? style.color : style.fill;
      const back = behind(element);
      const [light, dark] = [luminance(color), luminance(back)].sort((a, b) => b - a);
      const ratio = ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
      const large =
        parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) found.add(`${element.className}: ${color} on ${back}, ${ratio.toFixed(2)}`);
    }
    return looked === 0 ? ['no text was found'] : [...found];
  });
}

export interface Focus {
  readonly text: string;
  /** How thick the line around it is; 0: nothing shows it. */
  readonly outline: number;
  /** Whether it is in the window. */
  readonly seen: boolean;
}

/** Where the keyboard is. */
export async function focus(page: Page): Promise<Focus> {
  return page.evaluate(() => {
    const at = document.activeElement ?? document.body;
    const { outlineStyle, outlineWidth } = getComputedStyle(at);
    const { left, right, top, bottom } = at.getBoundingClientRect();
    return {
      outline: outlineStyle === 'none' ? 0 : parseFloat(outlineWidth),
      text: at.textContent,
      seen: right > 0 && left < innerWidth && bottom > 0 && top < innerHeight,
    };
  });
}

export async function background(page: Page): Promise<string> {
  return page.evaluate(() => getComputedStyle(document.body).backgroundColor);
}
