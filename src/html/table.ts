/** Tables with what a reader who does not see them needs: a caption, and headings that say what they head. */
import { type Html, html } from './markup.js';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => Html | string;
  /** Numbers stand under each other; `spare` columns are left out on a narrow screen. */
  readonly kind?: 'number' | 'spare' | 'spare number';
}

export interface TableOptions<Row> {
  readonly caption: Html;
  /** The first one heads the rows. */
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** What stands there without rows. */
  readonly none: string;
}

export function table<Row>({ caption, columns, rows, none }: TableOptions<Row>): Html {
  const [head, ...others] = columns;
  const body = rows.map(
    (row) =>
      html`<tr>${head === undefined ? null : html`<th scope="row"${classOf(head)}>${head.cell(row)}</th>`}${{ markup: others.map((column) => html`<td${classOf(column)}>${column.cell(row)}</td>`.markup).join('') }}</tr>`,
  );
  return html`<table>
<caption>${caption}</caption>
<thead><tr>${{ markup: columns.map((column) => html`<th scope="col"${classOf(column)}>${column.title}</th>`.markup).join('') }}</tr></thead>
<tbody>
${body.length === 0 ? html`<tr><td colspan="${columns.length}">${none}</td></tr>` : body}
</tbody>
</table>`;
}

/** A table wider than the screen scrolls in its own region, which the keyboard reaches. */
export function scrolling<Row>(label: string, options: TableOptions<Row>): Html {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${table(options)}</div>`;
}

function classOf<Row>({ kind }: Column<Row>): Html | null {
  return kind === undefined ? null : html` class="${kind}"`;
}
