/* Making elements, and maps drawn on canvases: what viewer.js is built of. */
'use strict';

const HEAT_SIDE = 128;  // pixels of a drawn map; the page stretches it smoothly

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), character => character.charCodeAt(0));
}

/* Maps of one kind, decoded when first needed. */
class MapStack {
  constructor(data) {
    Object.assign(this, data);
    [this.count, this.views, this.height, this.width] = data.shape;
  }

  /* Values of one map over one view, row by row. */
  values(number, view) {
    this.decoded ??= bytesOf(this.bytes);
    const size = this.height * this.width;
    const start = (number * this.views + view) * size;
    return Float32Array.from(this.decoded.subarray(start, start + size), value => value / 255 * this.top);
  }

  peak(number) {
    const views = Array.from({length: this.views}, (_, view) => Math.max(...this.values(number, view)));
    return Math.max(...views);
  }

  /* Draws a map over one view: bilinear, pixel centres at halves, borders repeated. */
  draw(canvas, number, view, colours) {
    canvas.width = canvas.height = HEAT_SIDE;
    const context = canvas.getContext('2d');
    const picture = context.createImageData(HEAT_SIDE, HEAT_SIDE);
    const pixels = new Uint32Array(picture.data.buffer);
    const values = this.values(number, view);
    const rows = neighbours(this.height);
    const columns = neighbours(this.width);
    const scale = 255 / (this.high - this.low);
    rows.forEach(([top, bottom, down], y) => columns.forEach(([left, right, across], x) => {
      const above = values[top * this.width + left] * (1 - across) + values[top * this.width + right] * across;
      const below = values[bottom * this.width + left] * (1 - across) + values[bottom * this.width + right] * across;
      const strength = (above * (1 - down) + below * down - this.low) * scale;
      pixels[y * HEAT_SIDE + x] = colours[Math.max(0, Math.min(255, Math.round(strength)))];
    }));
    context.putImageData(picture, 0, 0);
  }
}

/* For every drawn pixel along one axis: the cells on both sides and the share of the second. */
function neighbours(cells) {
  return Array.from({length: HEAT_SIDE}, (_, pixel) => {
    const place = Math.max(0, Math.min(cells - 1, (pixel + 0.5) * cells / HEAT_SIDE - 0.5));
    const first = Math.floor(place);
    return [first, Math.min(first + 1, cells - 1), place - first];
  });
}
