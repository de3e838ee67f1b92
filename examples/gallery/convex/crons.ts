import { cronJobs } from "convex/server";
import { internal } from "./_generated/api";

const crons = cronJobs();

// Pictures stay for a day.
crons.interval("clean up", { minutes: 10 }, internal.pictures.cleanUp, { olderThan: 24 * 60 * 60 });

export default crons;
