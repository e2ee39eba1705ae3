// An SMSC built on the npm package smpp. It takes every bind, accepts submit_sm, sends
// delivery receipts where they are asked for, and prints what happens as lines of JSON.
// Lines on its standard input change it, and its end ends the program:
//
//   throttle N   the next N submit_sm are answered ESME_RTHROTTLED
//   unbind       unbinds every session and closes it after the answer
//   cut          destroys every connection
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const state = { throttle: 0, next: 1 };
const sessions = new Set();

function say(event) { console.log(JSON.stringify(event)); }

function clean(tlv) { return tlv === undefined ? undefined : String(tlv).replace(/\0+$/, ''); }

// text is what the package understood of a message, or its octets in hexadecimal.
function text(field) {
  const message = field && field.message;
  return Buffer.isBuffer(message) ? message.toString('hex') : message;
}

// receipt says that a message was delivered: every other one in its text alone, the rest
// in TLVs alone, as SMSCs differ.
function receipt(session, pdu, id, n) {
  const fields = {
    esm_class: 0x04, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
    source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi,
    dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi,
  };
  if (n % 2) {
    fields.short_message = `id:${id} sub:001 dlvrd:001 submit date:2601310900 done date:2601310901 stat:DELIVRD err:000 text:`;
  } else {
    fields.receipted_message_id = id;
    fields.message_state = 2;
  }
  session.deliver_sm(fields, (answer) => say({ event: 'receipt', id, status: answer.command_status }));
}

function submit(session, pdu) {
  if (state.throttle > 0) {
    state.throttle--;
    say({ event: 'submit', status: smpp.ESME_RTHROTTLED, to: pdu.destination_addr });
    session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    return;
  }
  const n = state.next++;
  const id = 'npm-' + n;
  const udh = (pdu.short_message && pdu.short_message.udh) || [];
  say({
    event: 'submit', status: 0, id, to: pdu.destination_addr, from: pdu.source_addr, dataCoding: pdu.data_coding, esmClass: pdu.esm_class,
    udh: udh.map((ie) => ie.toString('hex')), text: text(pdu.short_message), payload: text(pdu.message_payload),
  });
  session.send(pdu.response({ message_id: id }));
  if (pdu.registered_delivery & 1) receipt(session, pdu, id, n);
}

const server = smpp.createServer((session) => {
  const bind = (pdu) => {
    sessions.add(session);
    say({ event: 'bind', from: clean(pdu.system_id) });
    session.send(pdu.response({ system_id: 'npm', sc_interface_version: 0x34 }));
  };
  session.on('bind_transceiver', bind);
  session.on('bind_transmitter', bind);
  session.on('bind_receiver', bind);
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('error', (err) => say({ event: 'error', text: String(err) }));
  session.on('close', () => { sessions.delete(session); say({ event: 'closed' }); });
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, n] = line.split(' ');
  if (command === 'throttle') state.throttle = Number(n);
  for (const session of sessions) {
    if (command === 'cut') session.destroy();
    if (command === 'unbind') {
      session.unbind({}, (answer) => { say({ event: 'unbound', status: answer.command_status }); session.close(); });
    }
  }
}).on('close', () => process.exit(0));

server.listen(0, '127.0.0.1', () => say({ event: 'listening', text: '127.0.0.1:' + server.address().port }));
