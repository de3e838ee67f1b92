({ v, getFunctionName, getFunctionAddress, convexToJson, syscall }) => {
  const isValidator = (x) => x?.isConvexValidator === true;

  // Tables and schemas.

  const docsURL = "https://docs.convex.dev/database/schemas";

  class TableDefinition {
    constructor(validator) {
      this.indexes = [];
      this.stagedDbIndexes = [];
      this.searchIndexes = [];
      this.stagedSearchIndexes = [];
      this.vectorIndexes = [];
      this.stagedVectorIndexes = [];
      this.validator = validator;
    }
    " indexes"() {
      return this.indexes;
    }
    index(name, config) {
      const fields = Array.isArray(config) ? config : config.fields;
      (config.staged ? this.stagedDbIndexes : this.indexes).push({ indexDescriptor: name, fields });
      return this;
    }
    searchIndex(name, { staged, searchField, filterFields }) {
      const list = staged ? this.stagedSearchIndexes : this.searchIndexes;
      list.push({ indexDescriptor: name, searchField, filterFields: filterFields || [] });
      return this;
    }
    vectorIndex(name, { staged, vectorField, dimensions, filterFields }) {
      const list = staged ? this.stagedVectorIndexes : this.vectorIndexes;
      list.push({ indexDescriptor: name, vectorField, dimensions, filterFields: filterFields || [] });
      return this;
    }
    staged(document) {
      if (this.stagedValidator !== undefined) {
        throw new Error("Table cannot have more than one staged validator.");
      }
      if (isValidator(document)) {
        this.stagedValidator = document;
        return this;
      }
      const { kind, fields } = this.validator;
      if (kind !== "object" && kind !== "any") {
        throw new Error(
          "Specifying top-level field changes is only supported for simple table definitions. For a table defined with a union or record validator, you must stage a fully defined object or union validator.",
        );
      }
      const merged = { ...(kind === "object" ? fields : {}), ...document };
      for (const name of Object.keys(merged)) {
        if (merged[name] === undefined) delete merged[name];
      }
      this.stagedValidator = v.object(merged);
      return this;
    }
    self() {
      return this;
    }
    export() {
      const documentType = this.validator.json;
      if (typeof documentType !== "object") {
        throw new Error(`Invalid validator: please make sure that the parameter of \`defineTable\` is valid (see ${docsURL})`);
      }
      const stagedDocumentType = this.stagedValidator?.json;
      if (this.stagedValidator !== undefined && typeof stagedDocumentType !== "object") {
        throw new Error(`Invalid staged validator: please make sure that the parameter of \`.staged()\` is valid (see ${docsURL})`);
      }
      const { indexes, stagedDbIndexes, searchIndexes, stagedSearchIndexes, vectorIndexes, stagedVectorIndexes } = this;
      return {
        indexes, stagedDbIndexes, searchIndexes, stagedSearchIndexes, vectorIndexes, stagedVectorIndexes,
        documentType, stagedDocumentType,
      };
    }
  }

  const defineTable = (document) => new TableDefinition(isValidator(document) ? document : v.object(document));

  const withSystemFields = (table, validator) => {
    switch (validator.kind) {
      case "object":
        return validator.extend({ _id: v.id(table), _creationTime: v.number() });
      case "union":
        return v.union(...validator.members.map((m) => withSystemFields(table, m)));
      case "any":
        return validator;
    }
    throw new Error(
      `Invalid validator for table "${table}": a table's documents must be objects, or a union of objects (see ${docsURL})`,
    );
  };
  const docValidator = (name, table) => withSystemFields(name, table.validator);

  class SchemaDefinition {
    constructor(tables, options) {
      this.tables = tables;
      this.schemaValidation = options?.schemaValidation ?? true;
    }
    #table(name) {
      const table = this.tables[name];
      if (table === undefined) {
        throw new Error(
          `Table "${name}" is not in this schema. Tables in this schema: ${Object.keys(this.tables).join(", ")}`,
        );
      }
      return table;
    }
    doc(name) {
      return docValidator(name, this.#table(name));
    }
    id(name) {
      this.#table(name);
      return v.id(name);
    }
    export() {
      const tables = Object.entries(this.tables).map(([tableName, table]) => ({ tableName, ...table.export() }));
      return JSON.stringify({ tables, schemaValidation: this.schemaValidation });
    }
  }
  const defineSchema = (tables, options) => new SchemaDefinition(tables, options);

  // HTTP routes.

  const ROUTABLE_HTTP_METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

  class HttpRouter {
    exactRoutes = new Map();
    prefixRoutes = new Map();
    isRouter = true;
    route = (spec) => {
      const { method, handler } = spec;
      if (!handler) throw new Error("route requires handler");
      if (!method) throw new Error("route requires method");
      if (!ROUTABLE_HTTP_METHODS.includes(method)) {
        throw new Error(`'${method}' is not an allowed HTTP method (like GET, POST, PUT etc.)`);
      }
      if ("path" in spec) this.#exact(spec, method, handler);
      else if ("pathPrefix" in spec) this.#prefix(spec.pathPrefix, method, handler);
      else throw new Error("Invalid httpRouter route entry: must contain either field 'path' or 'pathPrefix'");
    };
    #exact(spec, method, handler) {
      const { path } = spec;
      if ("pathPrefix" in spec) {
        throw new Error("Invalid httpRouter route: cannot contain both 'path' and 'pathPrefix'");
      }
      if (!path.startsWith("/")) throw new Error(`path '${path}' does not start with a /`);
      if (path === "/.files" || path.startsWith("/.files/")) throw new Error(`path '${path}' is reserved`);
      const methods = this.exactRoutes.get(path) ?? new Map();
      if (methods.has(method)) throw new Error(`Path '${path}' for method ${method} already in use`);
      this.exactRoutes.set(path, methods.set(method, handler));
    }
    #prefix(prefix, method, handler) {
      if (!prefix.startsWith("/")) throw new Error(`pathPrefix '${prefix}' does not start with a /`);
      if (!prefix.endsWith("/")) throw new Error(`pathPrefix ${prefix} must end with a /`);
      if (prefix.startsWith("/.files/")) throw new Error(`pathPrefix '${prefix}' is reserved`);
      const prefixes = this.prefixRoutes.get(method) ?? new Map();
      if (prefixes.has(prefix)) throw new Error(`${method} pathPrefix ${prefix} is already defined`);
      this.prefixRoutes.set(method, prefixes.set(prefix, handler));
    }
    getRoutes = () => {
      const routes = [];
      for (const path of [...this.exactRoutes.keys()].sort()) {
        const methods = this.exactRoutes.get(path);
        for (const method of [...methods.keys()].sort()) routes.push([path, method, methods.get(method)]);
      }
      for (const method of [...this.prefixRoutes.keys()].sort()) {
        const prefixes = this.prefixRoutes.get(method);
        for (const prefix of [...prefixes.keys()].sort()) routes.push([prefix + "*", method, prefixes.get(prefix)]);
      }
      return routes;
    };
    lookup = (path, method) => {
      if (method === "HEAD") method = "GET";
      const exact = this.exactRoutes.get(path)?.get(method);
      if (exact) return [exact, method, path];
      let best = null;
      for (const [prefix, handler] of this.prefixRoutes.get(method) ?? []) {
        if (path.startsWith(prefix) && (best === null || prefix.length > best[0].length)) best = [prefix, handler];
      }
      return best && [best[1], method, best[0] + "*"];
    };
    runRequest = async (text, routed) => {
      const request = Convex.jsSyscall("requestFromConvexJson", { convexJson: JSON.parse(text) });
      const path = routed && typeof routed === "string" ? routed : new URL(request.url).pathname;
      const match = this.lookup(path, request.method);
      const response = match
        ? await match[0].invokeHttpAction(request)
        : new Response(`No HttpAction routed for ${path}`, { status: 404 });
      return JSON.stringify(Convex.jsSyscall("convexJsonFromResponse", { response }));
    };
  }

  // Cron jobs.

  const daysOfWeek = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
  const integerIn = (n, low, high, message) => {
    if (!Number.isInteger(n) || n < low || n > high) throw new Error(message);
    return n;
  };
  const hour = (n) => integerIn(n, 0, 23, "Hour of day must be an integer from 0 to 23");
  const minute = (n) => (n === undefined ? {} : { minuteUTC: integerIn(n, 0, 59, "Minute of hour must be an integer from 0 to 59") });
  const isReference = (x) => {
    try {
      getFunctionAddress(x);
      return true;
    } catch {
      return false;
    }
  };
  const isPlain = (x) => {
    const proto = Object.getPrototypeOf(x);
    return typeof x === "object" && (proto === null || proto === Object.prototype || proto?.constructor?.name === "Object");
  };

  class Crons {
    constructor() {
      this.isCrons = true;
      this.crons = {};
    }
    schedule(id, schedule, reference, args = {}) {
      if (!isPlain(args)) throw new Error(`The arguments to a Convex function must be an object. Received: ${args}`);
      if (!/^[ -~]*$/.test(id)) {
        throw new Error(`Invalid cron identifier ${id}: use ASCII letters that are not control characters`);
      }
      if (id in this.crons) throw new Error(`Cron identifier registered twice: ${id}`);
      this.crons[id] = { name: getFunctionName(reference), args: [convexToJson(args)], schedule };
    }
    interval(id, schedule, reference, ...args) {
      const given = ["seconds", "minutes", "hours"].filter((unit) => schedule[unit] !== undefined);
      if (given.length !== 1) throw new Error("Must specify one of seconds, minutes, or hours");
      integerIn(schedule[given[0]], 1, Infinity, "Interval must be an integer greater than 0");
      this.schedule(id, { ...schedule, type: "interval" }, reference, ...args);
    }
    hourly(id, schedule, reference, ...args) {
      if (isReference(schedule)) this.schedule(id, { type: "hourly" }, schedule, reference);
      else this.schedule(id, { ...minute(schedule.minuteUTC), type: "hourly" }, reference, ...args);
    }
    daily(id, schedule, reference, ...args) {
      const when = { hourUTC: hour(schedule.hourUTC), ...minute(schedule.minuteUTC), type: "daily" };
      this.schedule(id, when, reference, ...args);
    }
    weekly(id, schedule, reference, ...args) {
      const { dayOfWeek } = schedule;
      if (!daysOfWeek.includes(dayOfWeek)) throw new Error('Day of week must be a string like "monday".');
      const when = { dayOfWeek, hourUTC: hour(schedule.hourUTC), ...minute(schedule.minuteUTC), type: "weekly" };
      this.schedule(id, when, reference, ...args);
    }
    monthly(id, schedule, reference, ...args) {
      const day = integerIn(schedule.day, 1, 31, "Day of month must be an integer from 1 to 31");
      const when = { day, hourUTC: hour(schedule.hourUTC), ...minute(schedule.minuteUTC), type: "monthly" };
      this.schedule(id, when, reference, ...args);
    }
    cron(id, cron, reference, ...args) {
      this.schedule(id, { cron, type: "cron" }, reference, ...args);
    }
    export() {
      return JSON.stringify(this.crons);
    }
  }

  // Components.

  const path = Symbol.for("toReferencePath");
  const exportsOf = (reference) =>
    new Proxy({}, {
      get(_, name) {
        if (typeof name === "string") return exportsOf(`${reference}/${name}`);
        return name === path ? reference : undefined;
      },
    });
  class InstalledComponent {
    constructor(definition, name) {
      this._definition = definition;
      this._name = name;
      this[path] = `_reference/childComponent/${name}`;
    }
    get exports() {
      return exportsOf(this[path]);
    }
  }

  const environment = (owner, define, declared) =>
    new Proxy({}, {
      get(_, name) {
        if (typeof name !== "string") return undefined;
        if (!declared || !Object.prototype.hasOwnProperty.call(declared, name)) {
          throw new Error(`Env var "${name}" is not declared on ${owner}. Add it to the \`env\` option of ${define}.`);
        }
        return { __envVarRef: name };
      },
    });
  const checkEnvironment = (env) => {
    for (const [name, validator] of Object.entries(env ?? {})) {
      if (!isValidator(validator)) {
        throw new Error(`Environment variable "${name}" must be defined with a validator (e.g. v.string()).`);
      }
    }
  };
  const checkPrefix = (prefix) => {
    if (prefix !== undefined && !prefix.startsWith("/")) {
      throw new Error(`httpPrefix must start with "/". Received: "${prefix}"`);
    }
  };
  const closed = (prefix) => (prefix.endsWith("/") ? prefix : prefix + "/");
  const declarations = (env) =>
    Object.entries(env).map(([name, validator]) => [
      name,
      {
        type: "value",
        value: JSON.stringify(validator.json),
        ...(validator.isOptional === "optional" ? { optional: true } : {}),
      },
    ]);
  const binding = (name, value) => {
    if (typeof value?.__envVarRef === "string") return [name, { type: "envVar", name: value.__envVarRef }];
    if (typeof value === "string") return [name, { type: "value", value }];
    throw new Error(`Env var "${name}" must be a string or an env var reference. Received: ${typeof value}`);
  };
  const exportTree = (tree) => ({
    type: "branch",
    branch: Object.entries(tree).map(([key, child]) => [
      key,
      typeof child === "string" ? { type: "leaf", leaf: child } : exportTree(child),
    ]),
  });

  function use(definition, options) {
    if (typeof definition.componentDefinitionPath !== "string") {
      throw new Error(
        "Component definition does not have the required componentDefinitionPath property. This code only works in Convex runtime.",
      );
    }
    const name = options?.name ?? definition.defaultName ?? definition.componentDefinitionPath.split("/").pop();
    if (typeof name !== "string") throw new Error(`Component name must be a string. Received: ${typeof name}`);
    if (name.length === 0) throw new Error("Component name cannot be empty.");
    checkPrefix(options?.httpPrefix);
    const env = Object.fromEntries(Object.entries(options?.env ?? {}).filter(([, value]) => value !== undefined));
    this._childComponents.push([name, definition, env, options?.httpPrefix]);
    return new InstalledComponent(definition, name);
  }

  const analysis = (data) => {
    const childComponents = data._childComponents.map(([name, definition, env]) => {
      const { componentDefinitionPath } = definition;
      if (!componentDefinitionPath) {
        throw new Error("no .componentPath for component definition " + JSON.stringify(definition, null, 2));
      }
      return {
        name, path: componentDefinitionPath, args: [],
        env: Object.entries(env).map(([key, value]) => binding(key, value)),
      };
    });
    const httpMounts = {};
    for (const [name, , , prefix] of data._childComponents) {
      if (prefix !== undefined) httpMounts[closed(prefix)] = `_reference/childComponent/${name}`;
    }
    return { childComponents, httpMounts, exports: exportTree(data._exportTree) };
  };

  const defineComponent = (name, options) => {
    checkEnvironment(options?.env);
    const env = { ...options?.env };
    return {
      _isRoot: false, _name: name, _env: env, _childComponents: [], _exportTree: {}, _onInitCallbacks: {},
      env: environment(`component "${name}"`, "defineComponent", options?.env),
      export() {
        const envVars = declarations(this._env);
        return {
          name: this._name,
          definitionType: { type: "childComponent", name: this._name, args: [] },
          ...analysis(this),
          ...(envVars.length > 0 ? { envVars } : {}),
        };
      },
      use,
    };
  };

  const defineApp = (options) => {
    checkPrefix(options?.httpPrefix);
    checkEnvironment(options?.env);
    const { httpPrefix, env } = options ?? {};
    return {
      _isRoot: true, _childComponents: [], _exportTree: {},
      ...(httpPrefix !== undefined ? { _httpPrefix: httpPrefix } : {}),
      ...(env !== undefined ? { _env: env } : {}),
      env: environment("this app", "defineApp", env),
      export() {
        return {
          definitionType: { type: "app" },
          ...(this._httpPrefix !== undefined ? { httpPrefix: closed(this._httpPrefix) } : {}),
          ...analysis(this),
          ...(this._env !== undefined ? { envVars: declarations(this._env) } : {}),
        };
      },
      use,
    };
  };

  // Audit log.

  const names = ["requestId", "ip", "userAgent", "now", "convexActor"];
  const vars = Object.fromEntries(names.map((name) => [name, Symbol("var." + name)]));
  const filled = (value) => {
    if (typeof value === "symbol") {
      const name = names.find((n) => vars[n] === value);
      if (name === undefined) throw new Error(`Unknown audit var symbol: ${String(value)}.`);
      return { $var: name };
    }
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(filled);
    return filledObject(value);
  };
  const filledObject = (object) => {
    const out = {};
    for (const [key, value] of Object.entries(object)) {
      if (key.startsWith("$")) throw new Error(`Audit log body keys must not start with "$": "${key}"`);
      out[key] = filled(value);
    }
    return out;
  };
  const log = {
    audit: async (body) => {
      await syscall("1.0/auditLog", { body: filledObject(body), version: "1.48.0" });
    },
    vars,
  };

  return {
    defineTable, defineSchema, docValidator,
    HttpRouter, ROUTABLE_HTTP_METHODS, httpRouter: () => new HttpRouter(), cronJobs: () => new Crons(),
    defineApp, defineComponent, log, SearchFilter: class SearchFilter {},
  };
}
