import { UNIT } from "./shapes";

export const scale = (n: number) => n * UNIT;
