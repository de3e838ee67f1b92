import { ConvexError } from "convex/values";

// The data of a ConvexError reaches the client as it is; the text of any other error stays on the server in production.
export class NotFound extends ConvexError<{ code: "NotFound"; what: string }> {
  constructor(what: string) {
    super({ code: "NotFound", what });
  }
}

export class Invalid extends ConvexError<{ code: "Invalid"; reason: string }> {
  constructor(reason: string) {
    super({ code: "Invalid", reason });
  }
}
