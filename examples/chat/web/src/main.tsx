import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { useTokenAuth } from "./session";

// The page is static files, so which server it talks to is said in its address: /?server=https://chat.example.com
const server = new URLSearchParams(location.search).get("server") ?? "http://127.0.0.1:3210";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ConvexProviderWithAuth client={new ConvexReactClient(server)} useAuth={useTokenAuth}>
      <App server={server} />
    </ConvexProviderWithAuth>
  </StrictMode>,
);
