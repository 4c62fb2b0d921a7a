// A room of Socket.IO as its documentation advises: WebSocket alone, no compression, and the
// handshake request let go. What somebody says goes to all.
//
//   node server.js PORT CHAIN.pem KEY.pem

'use strict';

const { readFileSync } = require('node:fs');
const { createServer } = require('node:https');
const { Server } = require('socket.io');

const [port, chain, key] = process.argv.slice(2);
const ROOM = 'demo';

const server = createServer({
  cert: readFileSync(chain),
  key: readFileSync(key),
  minVersion: 'TLSv1.3',
});
const io = new Server(server, {
  transports: ['websocket'],
  serveClient: false,
  perMessageDeflate: false,
  httpCompression: false,
});

io.engine.on('connection', (socket) => {
  socket.request = null;
});
io.on('connection', (socket) => {
  socket.join(ROOM);
  socket.on('say', (text) => {
    io.to(ROOM).emit('m', text);
  });
});

// Beside the crowd's ten thousand handshakes the default of 511 is short.
server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
