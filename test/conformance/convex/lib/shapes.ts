// A module with all kinds of exports, in a cycle with another one.
import { scale } from "./scale";

export type Shape = { kind: "square"; side: number } | { kind: "circle"; radius: number };
export const UNIT = 1;
export enum Color {
  Red = "red",
  Blue = "blue",
}
export enum Level {
  Low,
  High,
}
export let counter = 0;
export function increment() {
  counter++;
}
export default function area(shape: Shape): number {
  switch (shape.kind) {
    case "square":
      return scale(shape.side ** 2);
    case "circle":
      return scale(Math.PI * shape.radius ** 2);
  }
}
