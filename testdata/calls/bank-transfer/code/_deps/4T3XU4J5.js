"use strict";
Object.defineProperties(exports, { __esModule: { value: true },
  mutationGeneric: { get: () => import_server.mutationGeneric, enumerable: true },
  queryGeneric: { get: () => import_server.queryGeneric, enumerable: true } });
var import_server = require("convex/server");
