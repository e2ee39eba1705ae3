// An ESME built on the npm package smpp. It binds, submits in each encoding, waits for the
// delivery receipts, tests the link, unbinds, and prints what it saw as one line of JSON.
//
//   node client.js host:port system_id password
'use strict';

const smpp = require('smpp');

const [address, systemID, password] = process.argv.slice(2);
const seen = { bad: {}, submits: [], receipts: {}, manage: {}, enquireLink: null, unbind: null };

function connect() {
  return new Promise((resolve, reject) => {
    const session = smpp.connect({ url: 'smpp://' + address });
    session.on('connect', () => resolve(session));
    session.on('error', reject);
  });
}

function request(session, command, fields) {
  return new Promise((resolve) => session[command](fields, resolve));
}

function credentials(id, secret) {
  return { system_id: id, password: secret, interface_version: 0x34 };
}

async function refused(id, secret) {
  const session = await connect();
  const closed = new Promise((resolve) => session.on('close', resolve));
  const answer = await request(session, 'bind_transceiver', credentials(id, secret));
  await closed; // the server hangs up after it has refused
  return answer.command_status;
}

const to = { source_addr: 'Interop', source_addr_ton: 5, dest_addr_ton: 1, dest_addr_npi: 1, registered_delivery: 1 };

async function submit(session, name, fields) {
  const answer = await request(session, 'submit_sm', Object.assign({}, to, fields));
  seen.submits.push({ name, status: answer.command_status, id: answer.message_id });
}

// parts splits octets for one concatenated message, with an 8-bit reference.
function parts(octets, each) {
  const total = Math.ceil(octets.length / each);
  return Array.from({ length: total }, (_, i) => Buffer.concat([
    Buffer.from([5, 0, 3, 42, total, i + 1]), octets.subarray(i * each, (i + 1) * each),
  ]));
}

async function main() {
  seen.bad.password = await refused(systemID, 'wrong');
  seen.bad.systemID = await refused('nobody', password);

  const session = await connect();
  session.on('deliver_sm', (pdu) => {
    const text = pdu.short_message.message.toString();
    const id = /^id:(\S+) /.exec(text);
    const stat = / stat:(\S+) /.exec(text);
    seen.receipts[id ? id[1] : text] = {
      stat: stat && stat[1], esmClass: pdu.esm_class, tlvID: String(pdu.receipted_message_id || '').replace(/\0+$/, ''),
      state: pdu.message_state, from: pdu.source_addr, to: pdu.destination_addr,
    };
    session.send(pdu.response());
  });
  const bound = await request(session, 'bind_transceiver', credentials(systemID, password));
  seen.bind = { status: bound.command_status, systemID: bound.system_id, version: bound.sc_interface_version };

  // Left alone the package writes GSM septets and labels them data_coding 1, which is IA5.
  await submit(session, 'gsm7', { destination_addr: '15550100001', data_coding: 0, short_message: 'Hello {GSM} €' });
  await submit(session, 'ucs2', { destination_addr: '15550100002', short_message: 'Здравствуйте, 世界' });
  await submit(session, 'payload', { destination_addr: '15550100003', message_payload: 'p'.repeat(100) });
  const long = Buffer.from('The quick brown fox. '.repeat(15), 'latin1');
  for (const [i, part] of parts(long, 153).entries()) {
    await submit(session, 'part' + (i + 1), { destination_addr: '15550100004', esm_class: 0x40, data_coding: 0, short_message: part });
  }
  await submit(session, 'nobody', { destination_addr: 'nobody', short_message: 'x' });
  const later = await request(session, 'submit_sm', Object.assign({}, to, {
    destination_addr: '15550100005', short_message: 'later', schedule_delivery_time: '000000010000000R', registered_delivery: 0,
  }));
  const named = { message_id: later.message_id, source_addr: 'Interop', source_addr_ton: 5 };
  const queried = await request(session, 'query_sm', named);
  const replaced = await request(session, 'replace_sm', Object.assign({ short_message: 'still later' }, named));
  const cancelled = await request(session, 'cancel_sm', named);
  const gone = await request(session, 'query_sm', named);
  const multi = await request(session, 'submit_multi', Object.assign({}, to, {
    short_message: 'to both', registered_delivery: 0,
    dest_address: ['15550100006', 'nobody'].map((n) => ({ dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: n })),
  }));
  seen.manage = {
    query: queried.command_status, state: queried.message_state, replace: replaced.command_status, cancel: cancelled.command_status,
    gone: gone.message_state, multi: multi.command_status, multiID: multi.message_id,
    unsuccess: (multi.unsuccess_sme || []).map((u) => ({ to: u.destination_addr, status: u.error_status_code })),
  };
  seen.enquireLink = (await request(session, 'enquire_link', {})).command_status;

  const wanted = seen.submits.filter((s) => s.status === 0).map((s) => s.id);
  const deadline = Date.now() + 20000;
  while (wanted.some((id) => !seen.receipts[id]) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  seen.unbind = (await request(session, 'unbind', {})).command_status;
  session.close();
}

main().then(
  () => { console.log(JSON.stringify(seen)); process.exit(0); },
  (err) => { console.error(err); process.exit(1); },
);
