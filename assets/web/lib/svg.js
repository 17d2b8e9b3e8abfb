// What plots are drawn with, and how numbers and figures leave the page.
const MARKS = ["circle", "square", "up", "diamond", "down", "cross"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const INK = "var(--body-text-color)", PALE = "var(--body-text-color-subdued)", LINE = "var(--border-color-primary)";
const GROUND = "var(--block-background-fill)", FONT = "system-ui, sans-serif", REACH = 26; // pixels from pointer to point
const colourOf = (index) => `var(--mv-s${index % 12})`;

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== null) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function markPath(kind, x, y, r) {
  const k = r * 1.15;
  const shapes = {
    square: `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`, up: `M${x} ${y - k}L${x + k} ${y + r}H${x - k}z`,
    down: `M${x} ${y + k}L${x + k} ${y - r}H${x - k}z`, diamond: `M${x} ${y - k}L${x + k} ${y}L${x} ${y + k}L${x - k} ${y}z`,
    cross: `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`,
  };
  return shapes[kind] ?? `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

// Round numbers from low to high, about as many as wanted.
function niceTicks(low, high, wanted = 5) {
  const rough = (high - low) / wanted || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(+(i * step).toPrecision(12));
  return ticks;
}

const ruler = document.createElement("canvas").getContext("2d");
function widthOf(text, size = 12) {
  ruler.font = `${size}px ${FONT}`;
  return ruler.measureText(text).width;
}

// A cell of a CSV file: what a spreadsheet would take for a formula is a text.
function quoted(value) {
  const said = String(value ?? "");
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(said) ? `'${said}` : said;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

// Spreadsheets take a file without the mark at its start for one of another alphabet.
function csvOf(rows) {
  return new Blob([`\ufeff${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`], { type: "text/csv" });
}

function hand(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// A figure as a file that stands alone: the page's colours as they are now.
function standalone(figure, style) {
  return new XMLSerializer().serializeToString(figure).replace(/var\((--[\w-]+)\)/g, (_, variable) => style.getPropertyValue(variable).trim() || "#888");
}

async function handFigure(text, kind, name) {
  const blob = new Blob([text], { type: "image/svg+xml" });
  if (kind === "svg") return hand(blob, name);
  const image = new Image(), url = URL.createObjectURL(blob);
  image.src = url;
  await image.decode();
  const page = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  page.getContext("2d").drawImage(image, 0, 0, page.width, page.height);
  URL.revokeObjectURL(url);
  page.toBlob((png) => hand(png, name), "image/png");
}
