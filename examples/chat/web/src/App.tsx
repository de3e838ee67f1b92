import { useConvexAuth, useConvexConnectionState, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { type FormEvent, useEffect, useState } from "react";
import { api } from "../../convex/_generated/api";
import { signIn, signOut } from "./session";

export function App({ server }: { server: string }) {
  const channels = useQuery(api.channels.list);
  const [chosen, choose] = useState<string>();
  const channel = chosen ?? channels?.[0]?.name;
  return (
    <div className="app">
      <aside>
        <h1>chat</h1>
        <nav aria-label="channels">
          {channels?.map(({ name, topic }) => (
            <button key={name} title={topic} aria-current={name === channel} onClick={() => choose(name)}>
              <span className="hash">#</span> {name}
            </button>
          ))}
        </nav>
        <NewChannel created={choose} />
        <Session />
        <Connection server={server} />
      </aside>
      {channel === undefined ? (
        <main className="empty">{channels === undefined ? "Loading…" : "Make a channel to begin."}</main>
      ) : (
        <Channel key={channel} name={channel} topic={channels?.find((c) => c.name === channel)?.topic ?? ""} />
      )}
    </div>
  );
}

function Channel({ name, topic }: { name: string; topic: string }) {
  const { results, status, loadMore } = usePaginatedQuery(api.messages.history, { channel: name }, { initialNumItems: PAGE });
  const me = useQuery(api.users.me);
  return (
    <main>
      <header>
        <h2>
          <span className="hash">#</span> {name}
        </h2>
        <p>{topic}</p>
      </header>
      {/* The newest message comes first and the list is turned around, so that it stays at the bottom by itself. */}
      <ol className="messages" aria-label="messages">
        {results.map((message) => (
          <Message key={message.id} message={message} mine={me != null && message.user === me.user} />
        ))}
        {status === "CanLoadMore" && (
          <li className="more">
            <button onClick={() => loadMore(PAGE)}>Earlier messages</button>
          </li>
        )}
        {status === "Exhausted" && <li className="more">This is where #{name} begins.</li>}
        {status.startsWith("Loading") && <li className="more">Loading…</li>}
      </ol>
      <Composer channel={name} me={me?.name} />
    </main>
  );
}

const PAGE = 20;

type MessageProps = { message: FunctionReturnType<typeof api.messages.list>[number]; mine: boolean };

function Message({ message, mine }: MessageProps) {
  const remove = useMutation(api.messages.remove);
  return (
    <li className={mine ? "message mine" : "message"} data-id={message.id}>
      <span className="avatar" aria-hidden style={{ background: `hsl(${hue(message.author)} 45% 45%)` }}>
        {message.author.slice(0, 1).toUpperCase()}
      </span>
      <div>
        <p className="by">
          <b>{message.author}</b>
          {message.user !== null && <span className="badge" title={message.user}>signed in</span>}
          <time dateTime={new Date(message.at).toISOString()}>{new Date(message.at).toLocaleTimeString([], { timeStyle: "short" })}</time>
          {mine && (
            <button className="quiet" onClick={() => remove({ id: message.id })}>
              delete
            </button>
          )}
        </p>
        <p className="body">{message.body}</p>
      </div>
    </li>
  );
}

/** A colour that a name has everywhere. */
function hue(name: string) {
  let sum = 0;
  for (const c of name) sum = (sum * 31 + c.codePointAt(0)!) % 360;
  return sum;
}

function Composer({ channel, me }: { channel: string; me?: string }) {
  const send = useMutation(api.messages.send);
  const [author, setAuthor] = useState(() => sessionStorage.getItem("chat.author") ?? "");
  const [body, setBody] = useState("");
  const [failure, setFailure] = useState("");
  useEffect(() => sessionStorage.setItem("chat.author", author), [author]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBody("");
    try {
      await send({ channel, author: me ?? author, body });
      setFailure("");
    } catch (error) {
      setBody(body); // what was written is not lost
      setFailure(reason(error));
    }
  }
  return (
    <form className="composer" onSubmit={submit}>
      {me === undefined && <input className="author" aria-label="your name" placeholder="your name" value={author} onChange={(e) => setAuthor(e.target.value)} required />}
      <input aria-label="message" placeholder={`Message #${channel}`} value={body} onChange={(e) => setBody(e.target.value)} autoComplete="off" required />
      <button>Send</button>
      {failure !== "" && <output>{failure}</output>}
    </form>
  );
}

function NewChannel({ created }: { created: (name: string) => void }) {
  const create = useMutation(api.channels.create);
  const [name, setName] = useState("");
  const [failure, setFailure] = useState("");

  async function submit(event: FormEvent) {
    event.preventDefault();
    try {
      await create({ name });
      created(name);
      setName("");
      setFailure("");
    } catch (error) {
      setFailure(reason(error));
    }
  }
  return (
    <form onSubmit={submit}>
      <input aria-label="new channel" placeholder="new channel" value={name} onChange={(e) => setName(e.target.value)} required />
      {failure !== "" && <output>{failure}</output>}
    </form>
  );
}

function Session() {
  const { isAuthenticated, isLoading } = useConvexAuth();
  const me = useQuery(api.users.me);
  const [token, setToken] = useState("");
  if (isAuthenticated) {
    return (
      <div className="session">
        <span aria-label="user">{me?.name ?? "…"}</span>
        <button className="quiet" onClick={signOut}>
          sign out
        </button>
      </div>
    );
  }
  function submit(event: FormEvent) {
    event.preventDefault();
    signIn(token);
    setToken("");
  }
  return (
    <form className="session" onSubmit={submit}>
      <input aria-label="token" type="password" placeholder={isLoading ? "signing in…" : "token"} value={token} onChange={(e) => setToken(e.target.value)} required />
      <button className="quiet">sign in</button>
    </form>
  );
}

function Connection({ server }: { server: string }) {
  const { isWebSocketConnected } = useConvexConnectionState();
  return (
    <p className={isWebSocketConnected ? "connection up" : "connection down"} role="status" title={server}>
      {isWebSocketConnected ? "live" : "reconnecting…"}
    </p>
  );
}

/** What a person can do about an error: the reason that convex/errors.ts gives, if it is one of those. */
function reason(error: unknown) {
  const data = (error as { data?: { reason?: string; what?: string } }).data;
  return data?.reason ?? (data?.what !== undefined ? `there is no ${data.what}` : "It did not work. Try again.");
}
