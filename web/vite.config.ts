import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  worker: { format: "es" },
  build: {
    // The server's content security policy allows no data: scripts, and /assets/ is cached for good.
    assetsInlineLimit: 0,
    // monaco alone is larger than the default warning.
    chunkSizeWarningLimit: 4096,
    rolldownOptions: {
      input: ["index.html", "graphiql.html"],
      // GraphiQL's "use no memo" speaks to a compiler that has run already.
      checks: { moduleLevelDirective: false },
    },
  },
  server: { host: "127.0.0.1", proxy: { "^/graphql$": "http://127.0.0.1:8080" } },
});
