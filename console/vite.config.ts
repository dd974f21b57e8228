import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// A server to develop against; the built console talks to the server that serves it.
const server = 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // Nothing is inlined as data: or script, so that a strict content security policy holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/v1': { target: server, ws: true }, '/openapi.json': server, '/healthz': server },
  },
});
