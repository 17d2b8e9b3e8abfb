// Types of the data between the page's modules and from the server, for the type checker only.

/** What the page gives to the script of a view. */
export interface Context {
  element: HTMLElement;
  server: Server;
  upload: (file: File) => Promise<{ path: string; url: string }>;
}
/** What Gradio gives to the page's script. */
export interface PageContext extends Context {
  trigger: (event: string, data: object) => void;
  props: { value: Known };
}
/** A bundled photograph. */
export interface Photograph {
  stem: string;
  path: string;
  label: string;
}
/** A picture of the visitor that the browser keeps. */
export interface OwnPicture {
  id: number;
  file: File;
  /** Where the server has it, until it deletes it. */
  path: string;
  label: string;
}
export interface ViewEntry {
  name: string;
  group: string;
  controls: string[];
  panel: boolean;
  modules: string[];
}
/** What the page knows from the start. */
export interface Known {
  first: Answer;
  photographs: Photograph[];
  /** A data URI: the photographs side by side. */
  thumbnails: string;
  pairs: { a: string; b: string }[];
  methods: Record<string, [title: string, family: string, aliases: string[]]>;
  detectors: string[];
  views: ViewEntry[];
}
export interface LessonStep {
  id: string;
  answers: number;
  right: number;
  value: string;
  state: Record<string, string>;
}
export type Script = (context: Context) => void;
/** A component's functions on the server. */
export type Server = Record<string, (asked: object) => Promise<any>>;

/** Edges as shares of a picture's sides: top, left, bottom, right. */
export type Edges = number[];

/** An object that a visitor marked: its box, or the run-lengths of its mask. */
export type Mark = Edges | { runs: number[] };
/** An object of an annotation file: the name of its class, and the run-lengths of its mask. */
export interface MarkedObject {
  name: string;
  runs: number[];
}

/** The page's state, which goes with every question. */
export interface State {
  view: string;
  method: string;
  parameters: Record<string, unknown>;
  alpha: number | null;
  box: Edges | null;
  mask: string[] | null;
  /** The visitor's own marks of objects, by the path of the picture. */
  marks?: Record<string, Mark>;
  over: string;
  methods: string[];
  subject: string;
  classes: string[];
  kind: string;
  layer: string;
  own: string[][];
  joined: boolean;
  network: string;
  plane: string;
  count: number;
  files: string[][];
  a?: string;
  b?: string;
  name_a?: string;
  name_b?: string;
  lam?: number | null;
  seed?: number;
  detector?: string;
  first?: string;
  idea?: string;
}

/** What the server answers about a view: what all views have in common, and the view's own data. */
export interface Answer {
  message?: string;
  view?: string;
  link?: string;
  forget?: "own";
  /** A picture is no longer on the server. */
  gone?: boolean;
  version?: number;
  pending?: string[];
  [data: string]: any;
}
export type Drawing = (answer: any) => unknown;

export interface Mixviz {
  state: State;
  /** Views that have everything which pictures and controls leave alone. */
  settled: Set<string>;
  /** Methods by name: title, family and further names. */
  methods: Record<string, [title: string, family: string, aliases: string[]]>;
  photographs: Photograph[];
  /** What the bundled photographs show, by their files' stems. */
  labels: Record<string, string>;
  /** The views in the order of their tabs. */
  order: string[];
  /** What a view asks beside the state, which goes with every question of every view. */
  asking: Record<string, () => { files?: string[][]; [more: string]: unknown }>;
  /** Is the strip of detectors wanted? */
  strip: boolean;
  restoring: boolean;
  say(message?: string): void;
  question(name: string, asked: object, from?: Server): Promise<any>;
  language(): string;
  fill(): Promise<void>;
  /** Keep one of the browser's own parameters in the address, perhaps as a further entry of its history. */
  note(name: string, value: unknown, anew?: boolean): void;
  /** The next or the previous method, or step of the lesson. */
  step(by: number): void;
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
  more(): { files?: string[][]; [more: string]: unknown };
  asked(): object;
  /** Register what draws a view. */
  views<Data = any>(name: string, draw: (answer: Data) => unknown): void;
  /** Call a watcher now, and after every change of the state. */
  watch(watcher: (state: State) => unknown): void;
  /** Start with the server's functions and the answer that came with the page. */
  begin(functions: Server, first: Answer): Promise<void>;
  set(changes: Partial<State>): void;
  /** A control was moved: what was changed by hand belongs to the mixture before. */
  change(changes: Partial<State>): void;
  /** Take over the state that an address, a step of the lesson or a recipe asks for. */
  restore(wanted: object): Promise<void>;
  open(view: string, changes?: Partial<State>): void;
  /** Bring a view to sight. */
  show(view: string, moved?: boolean): void;
  /** Open the picker for a picture. */
  pick(letter: "a" | "b"): void;
  /** Show a picture, small, as the background of a node. */
  thumbnail(node: HTMLElement, path?: string): Promise<void>;
  /** Give the server the visitor's own pictures again; whether it had lost one. */
  renew(): Promise<boolean>;
  swap(): void;
  share(): Promise<void>;
  take(kind: string, more?: object): Promise<void>;
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
    mixvizBeginning: { state: State; fields: string[] };
    mixvizTexts: Promise<Record<string, string>>;
    mixvizLanguage: string;
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

// ---- plots and tables
export interface Axis {
  label: string;
  low?: number;
  high?: number;
  ticks?: number[];
  format?: (value: number) => string;
  /** Names of the places 0, 1, 2, ...; a point may stand beside its name. */
  names?: string[];
  unit?: string;
}
export interface Point {
  x: number;
  y: number;
  error?: number | null;
  xerror?: number | null;
  /** The ends of an interval that need not be even. */
  low?: number;
  high?: number;
  /** Where a thin line leads to. */
  from?: number;
  key?: string;
  title?: string;
  label?: string;
  hollow?: boolean;
}
export interface Series {
  key: string;
  title: string;
  legend?: string;
  index?: number;
  colour?: string;
  mark?: string;
  dash?: string;
  line?: boolean;
  marks?: boolean;
  hollow?: boolean;
  size?: number;
  pick?: boolean;
  points: Point[];
}
export interface PlotSpec {
  series: Series[];
  title?: string;
  name?: string;
  x: Axis;
  y: Axis;
  /** Where a moving marker stands. */
  at?: number;
  /** Levels to hold points against. */
  rules?: { y: number; title?: string }[];
  /** An area behind the series. */
  band?: { title: string; points: { x: number; low: number; high: number }[] };
  diagonal?: boolean;
  note?: string;
  pick?: (series: Series, point: Point) => unknown;
  tip?: (series: Series, point: Point) => (Node | string)[];
  height?: number;
  legend?: false;
  dims?: boolean;
  /** The keys that several plots hide together. */
  hidden?: Set<string>;
  changed?: () => void;
  lit?: (key: string | null) => void;
}
export interface Plot {
  node: HTMLElement;
  update(changes: Partial<PlotSpec>): void;
  mark(x: number): void;
  light(key: string | null): void;
  refresh(): void;
}
/** A column that sorts. `lower` says what is best; undefined: nothing is. `text` sorts by letters. */
export interface Column {
  key: string;
  title: string;
  about?: string;
  lower?: boolean;
  text?: boolean;
  written?: (value: any) => string;
}
export interface TableRow {
  name: string;
  title: string;
  head: Node | string;
  values: Record<string, any>;
  /** What follows a number, as ± does. */
  notes?: Record<string, string>;
  pinned?: boolean;
  [more: string]: any;
}

// ---- points of a scatter
export interface Style {
  hue: number;
  mark: string;
}
export interface Spot {
  x: number;
  y: number;
  group: number | string;
  title: string;
  lines: () => string[];
  tile?: Tile | null | false;
  label?: number;
  cluster?: number;
  /** A picture that is no part of the plot, drawn as itself. */
  own?: boolean;
  guessed?: boolean;
  letter?: string;
  key?: string;
}
/** Lines from a point to others, by their keys. */
export interface Links {
  from: string;
  to: string[];
}
export type Lit = ((point: Spot) => boolean) | null;

// ---- the grid and one method
export interface Card {
  group: string;
  name: string;
  title: string;
  family: string;
  citation: string;
  url?: string;
  pair: boolean;
  source: Edges | null;
  target: Edges | null;
  share: number[];
  drawn: number | null;
  area: number[];
  fair: number[];
  gap: number;
  looks: boolean;
  asks: boolean;
  own: boolean;
  layer: string;
  outlines?: Outline[];
  sentence: { key: string; values?: object };
}
/** An object in a mixture: whose, the visible share, its weight, and the SVG path around it in percent of the sides. */
export interface Outline {
  of: number;
  visible: number;
  weight: number;
  path: string;
}
export interface Detector {
  name: string;
  note: string;
  peaks: number[][];
}
export interface Step {
  key: string;
  number: string;
  pictures: string[];
  box: Edges | null;
  peak: number[] | null;
}
export interface LabelLine {
  key: string;
  sum: string;
  value: number;
}

// ---- a batch
export interface BatchTile {
  name: string;
  label: number;
  /** [place, part] */
  partners: [number, number][];
  /** [label, share] */
  parts: [number, number][];
  drawn: number | null;
  area: number | null;
  share: number | null;
  gap: number | null;
}

// ---- heat maps
export interface Look {
  map: string;
  bytes: Uint8Array;
  range: number[] | null;
  boxes: number[][];
  class?: string;
  probability?: number;
  /** The network has not the class that is asked for: the map is of its own prediction. */
  lacks?: boolean;
}
/** A network's row as it is drawn. */
export interface DrawnRow extends LookRow {
  parts: any;
  key: string;
}
export interface LookRow {
  name: string;
  title: string;
  side: number;
  looks: Look[];
  error?: string;
  top?: [string, number][];
  /** How many of the card's test pictures were right, and how many of those with an answer as sure as this one. */
  trust?: { right: number; of: number; top1: number; images: number } | null;
  /** Trained with binary cross-entropy: its percentages do not compare with those of softmax. */
  bce?: boolean;
  [more: string]: any;
}
/** A network of the gallery. */
export interface GalleryRow {
  name: string;
  title: string;
  augmentation: string;
  documented: string;
  bce: boolean;
  top1: number;
  license: string;
  megabytes: number;
  here: boolean;
  /** Bytes done and in all, while it is fetched. */
  progress: [number, number] | null;
  /** Does this page wait for it, and how many others do? */
  mine: boolean;
  others: number;
  error: string;
}
export interface GalleryAnswer {
  rows: GalleryRow[];
  allowed: boolean;
}

// ---- the zoo
export interface Mean {
  mean: number;
  error: number | null;
  kind: string;
  each: number[];
  count: number;
}
export interface Curve {
  x: number[];
  y: number[];
  error?: number[];
}
export interface ZooRow {
  name: string;
  title: string;
  method: string;
  networks: string[];
  seeds: number[];
  values: Record<string, Mean>;
  curves: Record<string, Curve>;
  reliability: { confidence: number[]; accuracy: number[]; count: number[] };
}
export interface Paired {
  difference: number;
  low: number;
  high: number;
  /** The smallest difference that would have been seen. */
  visible: number;
  seeds: number;
  verdict: "better" | "worse" | "same";
}
export interface Finding {
  key: string;
  low: number;
  high: number;
  beyond: boolean | null;
  /** The title of the baseline's row. */
  base: string | null;
  /** Title of another row -> whether it differs from the baseline beyond chance. */
  differs: Record<string, boolean | null>;
  /** Title of another row -> its difference from the baseline over the seeds of both, where there are several. */
  paired: Record<string, Paired>;
  centre: number | null;
  above: number | null;
}
export interface Published {
  key: string;
  dataset: string;
  network: string;
  epochs: number;
  source: string;
  baseline: number;
  methods: { method: string; change: number; error: number; same: boolean }[];
}
export interface Zoo {
  rows: ZooRow[];
  cards: Record<string, any>;
  columns: { key: string; title: string; lower: boolean; short: boolean }[];
  centre: Record<string, number>;
  centre_curve: Curve | null;
  /** Name of a curve -> standard errors along the baseline's. */
  bands: Record<string, number[]>;
  findings: Finding[];
  published: Published[];
  titles: Record<string, string>;
  classes: string[];
  pictures: number[];
  /** The data set of these networks. */
  data: string;
  /** The networks of other families, which saw other pictures. */
  others?: Zoo[];
}
/** Opens a card below a node, and gives the focus back when it is closed. */
export type OpenCard<Row> = (row: Row | undefined, after: Element, giveBack: GiveBack) => void;
/** What gets the focus when a card is closed. */
export type GiveBack = () => Element | null;

// ---- methods to choose from
export interface Candidate {
  name: string;
  title: string;
  family: string;
  url?: string;
  citation: string;
  error?: string;
  inside: boolean;
  says: string[];
  lines: string;
  needs: string;
  published: Record<string, { change: number; source: string; selection: string }>;
  values: Record<string, any>;
  notes: Record<string, string>;
  said: Record<string, any>;
  [column: string]: any;
}

/** A column that is read from a row; `sure` writes its error. */
export interface Measure extends Column {
  of: (row: Candidate) => any;
  error?: (row: Candidate) => number | undefined;
  sure?: (value: number) => string;
}

// ---- the family tree
export interface Idea {
  name: string;
  title: string;
  family: string;
  year: number | null;
  month: number | null;
  ancestor: boolean;
  label: string;
  url?: string;
  citation: string;
  parents: string[];
  children: string[];
}
export interface Tree {
  ideas: Idea[];
  families: string[];
}
export interface IdeaBox {
  x: number;
  y: number;
  idea: Idea;
}
export interface Placed {
  start: number;
  width: number;
  height: number;
  columns: { said: string; x: number }[];
  lanes: { family: string; y: number; height: number }[];
  boxes: Map<string, IdeaBox>;
}

// ---- embeddings
/** The stored pictures of networks: their classes, and the class of each. */
export interface StoredSet {
  classes: string[];
  kinds: string[];
  label: number[];
  data: string;
}
export interface Network {
  name: string;
  title: string;
  set: string;
  clusters: number[] | null;
  card: any;
  [more: string]: any;
}
export interface Overview {
  networks: Network[];
  sets: Record<string, StoredSet>;
  left_out: Record<string, string>;
}
/** A folder of the visitor's own, as networks laid it out. */
export interface Folder {
  paths: string[];
  names: string[];
  sheets: Tile[];
  laid: Record<string, any>;
  known: number;
  others: number;
  shown: boolean;
}
/** The bundled photographs in all networks' embeddings. */
export interface Photographs {
  url: string;
  photographs: { stem: string; placed: Record<string, any>; similarity: Record<string, number[]> }[];
}
/** What the parts of the embeddings view share. A picture's key: "a", "b", "photo:3", "own:3" or "stored:3". */
export interface EmbeddingsView {
  context: Context;
  root: HTMLElement;
  fixed: Overview;
  value: Placement;
  photos: Photographs;
  thumbs: Thumbnails | null;
  own: Folder | null;
  colour: "class" | "cluster";
  /** The group that is pointed at, and the one that stays highlighted. */
  hovered: number | null;
  pinned: number | null;
  /** The picture whose nearest are shown, and the one that is pointed at. */
  subject: string;
  pointed: string | null;
  visible: { ab: boolean; photographs: boolean };
  network(): Network;
  plane(): string;
  change(changes: Partial<State>): void;
  draw(): void;
}
/** A picture that may be shown. */
export interface Shown {
  key: string;
  title: string;
  letter?: string;
  tile: Tile;
  /** Its place in each network's embedding. */
  placed?: Record<string, any>;
}
export interface Neighbour {
  title: string;
  similarity: number;
  key: string;
  tile?: Tile | null | false;
  style?: Style;
}
export interface Thumbnails {
  url?: string;
  set: string;
  columns: number;
  rows: number;
  reason: string;
}
export interface Entry {
  group: number;
  text: string;
  style: Style;
  kind?: string;
}

// ---- answers for single views
export interface Batch {
  tiles: BatchTile[];
  /** Are any objects known? */
  outlined: boolean;
  /** Of each mixture, if asked for. */
  outlines: Outline[][];
  columns: number;
  classes: string[];
  paired: boolean;
  own: boolean;
  held: boolean;
  layer: string;
  asks: boolean;
  detector: string;
  judge: string;
  key: string;
  code: string;
  parameters: Parameter[];
  method: string;
  summary: Record<"drawn" | "area" | "share" | "off" | "fixed", number | null>;
}
export interface Between {
  lams: number[];
  classes: string[];
  how: string[];
  by: string[];
  networks: { name: string; title: string }[];
  /** The names of those that are shown at first. */
  begin: string[];
  count: number;
  side: number;
  share: Record<string, number[]>;
}
/** One network's predictions at every step. */
export interface BetweenCurve {
  name: string;
  ways: Record<string, { a: number[]; b: number[]; top: string[] }>;
}
/** Why the label is what it is: a text, B's share that λ asked for, and B's share of the label. */
export interface Reason {
  key: string;
  values: Record<string, string>;
  asked: number | null;
  share: number;
}
export interface Detail {
  card: Card;
  reason: Reason;
  names: string[];
  tiles: string[];
  steps: Step[];
  lines: LabelLine[];
  detector: string;
  judge: string;
  sheet: string;
  mask: string[];
  held: boolean;
  edited: string | null;
  outlines: Outline[];
  known: boolean[];
  can_move: boolean;
  can_paint: boolean;
  parameters: Parameter[];
}
export interface Placement {
  version: number;
  network: string;
  plane: string;
  names: string[];
  urls: string[];
  placed: Record<string, Record<string, any>>;
  similarity: Record<string, Record<string, number[]>>;
  between: Record<string, number[]>;
  bundled: Record<string, number | null>;
}
export interface About {
  /** Titles differ; a `plain` one, without the data set, may be of several networks. */
  networks: Record<string, { title: string; plain: string; side: number; measured?: any }>;
  families: Family[];
  classes: string[];
  kinds: { name: string; title: string; slow: boolean }[];
  layers: { earlier: string; size: number[] }[];
  colours: Record<string, string>;
}
/** Networks that were trained on the same classes, `some` of which are named. */
export interface Family {
  key: string;
  data: string;
  count: number;
  some: string[];
  /** Do they differ in their strategy? */
  compared: boolean;
  pictures: number;
  names: string[];
  /** The reference, and those of the family that tell most. */
  begin: string[];
}
/** The networks to begin with; another family may know a class that theirs lacks. */
export interface FamilyChoice {
  names: string[];
  family: string | null;
  lacks: string[];
  other: { family: string; names: string[]; knows: string[] } | null;
}
export interface LookAnswer {
  version: number;
  key: string;
  place: string;
  all: string[];
  begin: FamilyChoice;
  pending: string[];
  slow: boolean;
  command: string;
  classes: LookClass[];
  rows: LookRow[];
  centre: any;
  subject: { of: string; picture: string; boxes: (Edges | null)[]; inside: boolean };
}
/** A class to explain, and what the picture's label may mean: nothing that a network knows, if `classes` is empty. */
export interface LookClass {
  name: string;
  known: boolean;
  label: { text: string; classes: string[] } | null;
}
export interface Which {
  key: string;
  all: Record<string, string>;
  made: { draws: number; batch: number };
  settings: Published[];
  rows: Candidate[];
  pictures: { count: number; masked: number; own: number; could: number; covers: number };
}
export interface Learn {
  card: Card;
  reason: Reason;
  essentials: string[];
  names: string[];
  judge: string;
  tiles: string[];
  sheet: string;
  can_move: boolean;
  edited: string;
}
export interface Others {
  message?: string;
  names: string[];
  shares: number[][];
  sheet: string;
}
export interface Looks {
  message?: string;
  network: string;
  title: string;
  /** Was the network trained with the method that is shown? */
  same: boolean;
  /** "a", "b": pictures whose class the network lacks; of `count` that it knows */
  lacking: string[];
  count: number;
  classes: string[];
  probability: number[];
  sheet: string;
}
export interface Grid {
  version: number;
  /** A method each, as far as its tile needs it from the start. */
  all: Pick<Card, "name" | "title" | "family" | "group">[];
  cards: Card[];
  detectors: Detector[];
  detector: string;
  detector_sheet: string;
  sheet: string;
  still: string | null;
  /** Are the objects of A and B known? */
  known: boolean[];
  columns: number;
  rows: number;
  names: string[];
  held: boolean;
  judge: string;
}
export interface Histogram {
  counts: number[];
  mean: number;
  low: number;
  high: number;
}
export interface Draws {
  card: { name: string; title: string };
  inside: boolean;
  count: number;
  alpha: number | null;
  histograms: Record<string, Histogram>;
  /** The highest value, whether all values are the same, and a data URI whose opacity is the value over the highest. */
  maps: Record<"cut" | "covered", { peak: number; even: boolean; mask: string }>;
  judge: string;
}
export interface Code {
  /** Exactly the picture, as Python. */
  picture: string;
  /** The method in a training, as Python. */
  loop: Record<string, string>;
}
export interface Sweep {
  over: "lam" | "alpha" | "seed";
  values: number[];
  rows: { name: string; title: string; cells: { share: number[]; gap: number }[] }[];
  /** How many methods can be compared at once. */
  most: number;
  names: string[];
  judge: string;
  sheet: string;
}
