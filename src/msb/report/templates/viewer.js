// A small 3-D viewer on a plain canvas: balls and sticks, depth-sorted; drag turns, the wheel zooms.
// Data: {labels, elements, bonds, beadBonds, times, scale, atoms: [base64 int16 per panel], beads: base64 int16}.
"use strict";
function mountViewer(root, data) {
  const canvas = root.querySelector("canvas"), context = canvas.getContext("2d");
  const slider = root.querySelector(".viewer-frame"), button = root.querySelector(".viewer-play");
  const clock = root.querySelector(".viewer-time");
  const colours = { H: "#f2f2f2", C: "#6b7280", N: "#3b6fd4", O: "#d64545", S: "#d9b13b", bead: "#e0a458" };
  const radii = { H: 0.025, C: 0.038, N: 0.037, O: 0.036, S: 0.045 };
  const stick = 0.014, beadRadius = 0.085, distance = 3.0, background = [250, 250, 252], fogSteps = 6;

  const decode = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return Float32Array.from(new Int16Array(bytes.buffer), (value) => value * data.scale);
  };
  const panels = data.atoms.map(decode), beads = decode(data.beads);
  const nAtoms = data.elements.length, nFrames = panels[0].length / (3 * nAtoms);
  const nBeads = beads.length / (3 * nFrames);
  let extent = 0.1;
  for (let i = 0; i < panels[0].length; i += 3) {
    extent = Math.max(extent, Math.hypot(panels[0][i], panels[0][i + 1], panels[0][i + 2]));
  }
  const state = { frame: 0, zoom: 1, playing: false, rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], dirty: true };
  const shown = (name) => root.querySelector(`.viewer-${name}`).checked;

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const mix = (a, b, t) => `rgb(${a.map((v, i) => Math.round(v + (b[i] - v) * t)).join(",")})`;
  const shade = (hex, light, fog) => {
    const lit = rgb(hex).map((v) => (light < 0 ? v * (1 + light) : v + (255 - v) * light));
    return mix(lit, background, fog);
  };
  const sprites = {};
  const sprite = (element, fog) => {
    const key = element + fog;
    if (!sprites[key]) {
      const size = 96, image = document.createElement("canvas"), c = image.getContext("2d");
      image.width = image.height = size;
      const colour = colours[element] || "#9b59b6", depth = (0.75 * fog) / fogSteps;
      const fill = c.createRadialGradient(size * 0.36, size * 0.34, size * 0.03, size / 2, size / 2, size / 2);
      fill.addColorStop(0, shade(colour, 0.85, depth));
      fill.addColorStop(0.35, shade(colour, 0.12, depth));
      fill.addColorStop(1, shade(colour, -0.38, depth));
      c.fillStyle = fill;
      c.beginPath();
      c.arc(size / 2, size / 2, size / 2 - 1, 0, 2 * Math.PI);
      c.fill();
      sprites[key] = image;
    }
    return sprites[key];
  };

  const multiply = (a, b) => {
    const out = new Array(9).fill(0);
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 3; k++) {
      out[3 * i + j] += a[3 * i + k] * b[3 * k + j];
    }
    return out;
  };
  const turn = (dx, dy) => {
    const [ca, sa, cb, sb] = [Math.cos(dx), Math.sin(dx), Math.cos(dy), Math.sin(dy)];
    const y = [ca, 0, sa, 0, 1, 0, -sa, 0, ca], x = [1, 0, 0, 0, cb, -sb, 0, sb, cb];
    state.rotation = multiply(x, multiply(y, state.rotation));
    state.dirty = true;
  };

  const project = (source, count, view) => {
    const r = state.rotation, base = 3 * count * state.frame, points = [];
    for (let i = 0; i < count; i++) {
      const [x, y, z] = [source[base + 3 * i], source[base + 3 * i + 1], source[base + 3 * i + 2]];
      const depth = r[6] * x + r[7] * y + r[8] * z, scale = (view.scale * distance) / (distance - depth);
      points.push({
        x: view.x + scale * (r[0] * x + r[1] * y + r[2] * z),
        y: view.y - scale * (r[3] * x + r[4] * y + r[5] * z),
        z: depth,
        scale,
        fog: Math.round(fogSteps * Math.min(1, Math.max(0, (extent - depth) / (2 * extent)))),
      });
    }
    return points;
  };
  const line = (from, to, width, colour) => {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  };
  const drawHalfBond = (from, to, element) => {
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    const width = 2 * stick * from.scale, fog = (0.75 * from.fog) / fogSteps, colour = colours[element] || "#9b59b6";
    line(from, middle, width, shade(colour, -0.35, fog));
    line(from, middle, 0.7 * width, shade(colour, 0, fog));
    line(from, middle, 0.25 * width, shade(colour, 0.5, fog));
  };
  const drawMolecule = (source, view) => {
    const atoms = project(source, nAtoms, view), hydrogens = shown("hydrogens"), jobs = [];
    const visible = (i) => hydrogens || data.elements[i] !== "H";
    if (shown("beads")) {
      const points = project(beads, nBeads, view);
      for (const [i, j] of data.beadBonds) {
        const width = 0.06 * points[i].scale;
        jobs.push([Math.min(points[i].z, points[j].z) - 0.1, () => line(points[i], points[j], width, "rgba(224,164,88,.22)")]);
      }
      for (const p of points) {
        jobs.push([p.z - 0.09, () => {
          context.fillStyle = "rgba(224,164,88,.38)";
          context.beginPath();
          context.arc(p.x, p.y, beadRadius * p.scale, 0, 2 * Math.PI);
          context.fill();
        }]);
      }
    }
    for (const [i, j] of data.bonds) {
      if (!visible(i) || !visible(j)) continue;
      const z = (atoms[i].z + atoms[j].z) / 2;
      jobs.push([(atoms[i].z + z) / 2, () => drawHalfBond(atoms[i], atoms[j], data.elements[i])]);
      jobs.push([(atoms[j].z + z) / 2, () => drawHalfBond(atoms[j], atoms[i], data.elements[j])]);
    }
    atoms.forEach((p, i) => {
      if (!visible(i)) return;
      const radius = (radii[data.elements[i]] || 0.04) * p.scale;
      jobs.push([p.z, () => context.drawImage(sprite(data.elements[i], p.fog), p.x - radius, p.y - radius, 2 * radius, 2 * radius)]);
    });
    jobs.sort((a, b) => a[0] - b[0]).forEach((job) => job[1]());
  };

  const draw = () => {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineCap = "round";
    const part = width / panels.length;
    panels.forEach((source, index) => {
      const scale = (0.44 * state.zoom * Math.min(part, height)) / extent;
      drawMolecule(source, { x: part * (index + 0.5), y: height / 2, scale });
    });
    slider.value = state.frame;
    clock.textContent = data.times[state.frame];
    state.dirty = false;
  };
  let last = 0;
  const tick = (now) => {
    if (state.playing && now - last > 80) {
      last = now;
      state.frame = (state.frame + 1) % nFrames;
      state.dirty = true;
    }
    if (state.dirty) draw();
    requestAnimationFrame(tick);
  };
  const play = (on) => {
    state.playing = on;
    button.textContent = on ? "Pause" : "Play";
    button.setAttribute("aria-pressed", String(on));
  };

  let pressed = null;
  canvas.addEventListener("pointerdown", (event) => {
    pressed = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pressed) return;
    turn((event.clientX - pressed[0]) / 120, (event.clientY - pressed[1]) / 120);
    pressed = [event.clientX, event.clientY];
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (pressed = null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    state.zoom = Math.min(4, Math.max(0.4, state.zoom * Math.exp(-event.deltaY / 800)));
    state.dirty = true;
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
    if (event.key === " ") play(!state.playing);
    else if (moves[event.key]) turn(...moves[event.key]);
    else return;
    event.preventDefault();
  });
  slider.max = nFrames - 1;
  slider.addEventListener("input", () => {
    play(false);
    state.frame = Number(slider.value);
    state.dirty = true;
  });
  button.addEventListener("click", () => play(!state.playing));
  for (const name of ["beads", "hydrogens"]) {
    root.querySelector(`.viewer-${name}`).addEventListener("change", () => (state.dirty = true));
  }
  new ResizeObserver(() => (state.dirty = true)).observe(canvas);
  turn(0.35, 0.3);
  play(!window.matchMedia("(prefers-reduced-motion: reduce)").matches);
  requestAnimationFrame(tick);
}
