// What the modules of the page hand to one another, and what the server sends them. For the type checker alone.

/** What Gradio gives to a component's script. */
export interface Context<Value = undefined> {
  element: HTMLElement;
  trigger: (event: string, data: object) => void;
  props: { value: Value; label: string };
  server: Server;
  upload: (file: File) => Promise<{ path: string; url: string }>;
}
export type Script<Value = undefined> = (context: Context<Value>) => void;
/** A component's functions on the server. */
export type Server = Record<string, (asked: object) => Promise<any>>;

/** Edges as shares of a picture's sides: top, left, bottom, right. */
export type Edges = number[];

/** The page's state, which goes with every question. */
export interface State {
  view: string;
  method: string;
  parameters: Record<string, unknown>;
  alpha: number | null;
  box: Edges | null;
  mask: string[] | null;
  over: string;
  methods: string[];
  subject: string;
  classes: string[];
  kind: string;
  layer: string;
  own: string[][];
  joined: boolean;
  a?: string;
  b?: string;
  name_a?: string;
  name_b?: string;
  lam?: number | null;
  seed?: number;
  detector?: string;
  first?: string;
  idea?: string;
  network?: string;
  plane?: string;
  count?: number;
}

/** What the server answers about a view: what all views have in common, and the view's own data. */
export interface Answer {
  message?: string;
  view?: string;
  link?: string;
  forget?: "own";
  version?: number;
  pending?: string[];
  [data: string]: any;
}
export type Drawing = (answer: any) => unknown;

export interface Mixviz {
  state: State;
  /** Views that have everything which pictures and controls leave alone. */
  settled: Set<string>;
  /** Methods by name: title and family. */
  methods: Record<string, [title: string, family: string]>;
  /** What the bundled photographs show, by their files' stems. */
  labels: Record<string, string>;
  /** The views in the order of their tabs. */
  order: string[];
  /** What a view asks beside the state, which goes with every question of every view. */
  asking: Record<string, () => { files?: string[][]; [more: string]: unknown }>;
  /** Is the strip of detectors wanted? */
  strip: boolean;
  restoring: boolean;
  /** The state to be restored once the bridge stands. */
  wanted: object | undefined;
  say(message?: string): void;
  question(name: string, asked: object, from?: Server): Promise<any>;
  language(): string;
  fill(): Promise<void>;
  /** Keep one of the browser's own parameters in the address. */
  note(name: string, value: unknown): void;
  upload(files: File[]): Promise<string[] | null>;
  version(): number;
  stop(): boolean;
  stopped(): boolean;
  /** Is nothing being asked, restored or written? */
  idle(): boolean;
  /** The cards in sight that are not of a version, where that is not all of them. */
  inSight(version: number): string[] | null;
  /** Is a method's card of the present version? */
  fresh(name: string): boolean;
  pinned(): string[];
  pin(names: string[]): void;
  more(): { files?: string[][]; [more: string]: unknown };
  asked(): object;
  /** Register what draws a view. */
  views(name: string, draw: Drawing): void;
  /** Take what the server knows of methods, photographs, views and the address. */
  knows(known: Partial<Pick<Mixviz, "labels" | "methods" | "order">> & { fields?: string[] }): void;
  serve(functions: Server): void;
  /** Draw the answer that came with the page. */
  first(answer: any): void;
  set(changes: Partial<State>): void;
  /** A tab was chosen. Gradio says so of the first one as well, whose view has come with the page. */
  tab(view: string): void;
  /** A control was moved. */
  controls(values: any[]): void;
  alpha(alpha: number): void;
  restore(wanted: object): void;
  /** What the controls say at first has been drawn already, unless the address asks for something else. */
  loaded(values: any[]): void;
  restored(values: any[]): void;
  open(view: string, changes?: Partial<State>): void;
  ownLabel(image: Picture | null, name: string, letter: string): string;
  /** What a browser cannot show, as TIFF and HEIC, the server can; and everybody sees what will be mixed. */
  preview(image: Picture | null, slot: "a" | "b"): Promise<object>;
  swapped(): void;
  copyLink(): Promise<void>;
  take(kind: string, more?: object): Promise<void>;
}
export interface Picture {
  path?: string;
  url?: string;
}

/** A tile of a sheet. */
export interface Tile {
  url?: string;
  index: number;
  columns: number;
  rows: number;
}

declare global {
  interface Window {
    mixviz?: Mixviz;
    gradio_config?: { root?: string; api_prefix?: string };
  }
}

/** A method's parameter, as its field describes it. */
export interface Parameter {
  name: string;
  kind: "int" | "float" | "bool" | "str";
  value: number | boolean | string;
  default: number | boolean | string;
  low: number;
  high: number;
  text: string;
  example: string;
  choices: string[];
  labels: string[];
}
