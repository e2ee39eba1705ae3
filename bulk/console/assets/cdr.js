// Files of call detail records, to take away.
import { html, bytes, none } from './ui.js';
import { named, t } from './strings.js';
import { usePages } from './net.js';
import { Badge, Id, Listed, When, Wrong } from './parts.js';

const address = f => '/api/v1/cdr/' + encodeURIComponent(f.name);
const columns = [
  { key: 'closed', label: t('closedAt'), width: 23, get: f => f.closed_at ?? '', show: v => html`<${When} at=${v}/>` },
  { key: 'name', label: t('fileName'), width: 36, grow: true, get: f => f.name, show: v => html`<${Id}>${v}</${Id}>` },
  { key: 'state', label: t('state'), width: 20, get: f => named('status', f.state), show: (v, f) => html`<${Badge} state=${f.state}/>` },
  { key: 'bytes', label: t('size'), num: true, width: 12, get: f => f.bytes, show: v => html`<bdi dir="ltr">${bytes(v)}</bdi>` },
  { key: 'act', label: '', width: 14, get: () => '', show: (v, f) => f.state === 'complete' ? html`<a class="button small" href=${address(f)} download=${f.name} aria-label=${t('download') + ' ' + f.name}>${t('download')}</a>` : none },
];

export function Records() {
  const list = usePages('/cdr?limit=200', 'files', 10000);
  return html`<div class="stack"><p class="dim small">${t('cdrHint')}</p><${Wrong} error=${list.error} again=${list.again}/>
    <section class="card"><${Listed} id="cdr-files" of=${list} columns=${columns} noun="files" rowKey=${f => f.name} nothing=${t('noCDR')}/></section></div>`;
}
