// What a visitor of a report would do, and what is then on the page: run by test_report.py in a browser.
"use strict";

const seen = {};

function look() {
  return {
    clip: getComputedStyle($("over")).clipPath,
    bar: $("bar").style.left,
    transform: original.style.transform,
    together: [decoded, difference].every((layer) => layer.style.transform === original.style.transform),
    smooth: getComputedStyle(original).imageRendering,
    zoom: $("zoom").textContent,
    caption: $("caption").textContent,
    tag: $("right").textContent,
    difference: getComputedStyle(difference).display,
    codecs: [...document.querySelectorAll("input[name=codec]")].map((input) => input.parentElement.textContent),
    rows: [...document.querySelectorAll("section.picture:not([hidden]) tr.chosen th")].map((th) => th.textContent),
    scheme: getComputedStyle(document.documentElement).colorScheme,
    page: getComputedStyle(document.body).backgroundColor,
  };
}

function key(name) {
  stage.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
}

function point(type, x, y, target = stage) {
  const { left, top } = stage.getBoundingClientRect();
  const place = { clientX: left + x, clientY: top + y, pointerId: 1, bubbles: true, cancelable: true };
  target.dispatchEvent(new PointerEvent(type, place));
}

function change(id, property, value) {
  $(id)[property] = value;
  $(id).dispatchEvent(new Event("input"));
  $(id).dispatchEvent(new Event("change"));
}

function pixel(x, y) {
  const copy = new OffscreenCanvas(1, 1), context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(difference, -x, -y);
  return [...context.getImageData(0, 0, 1, 1).data];
}

async function shown(picture, codec) {
  while (document.documentElement.dataset.shown !== `${picture} ${codec}`) {
    await new Promise((resume) => setTimeout(resume, 10));
  }
  return look();
}

async function visit() {
  stage.setPointerCapture = () => {};
  seen.start = await shown(0, 0);
  change("split", "value", 20);
  seen.slid = look();
  point("pointerdown", stage.clientWidth * 0.2, 30, $("bar"));
  point("pointermove", stage.clientWidth * 0.75, 30);
  point("pointerup", 0, 0);
  point("pointermove", 5, 5);
  seen.dragged = look();
  key("+");
  key("+");
  seen.zoomed = look();
  point("pointerdown", 100, 100);
  point("pointermove", 60, 85);
  point("pointerup", 60, 85);
  seen.panned = look();
  key("ArrowRight");
  seen.arrow = look();
  key("0");
  seen.fitted = look();
  $("whole").click();
  seen.one = look();
  key("d");
  seen.difference = look();
  seen.eight = pixel(7, 9);
  change("gain", "value", 2);
  seen.gain = look();
  seen.two = pixel(7, 9);
  key("d");
  document.querySelectorAll("input[name=codec]")[1].click();
  seen.second = await shown(0, 1);
  key("]");
  seen.first = await shown(0, 0);
  change("picture", "selectedIndex", 1);
  seen.other = await shown(1, 0);
  for (const index of [0, 1, 0]) choosePicture(index);
  seen.back = await shown(0, 1);
  $("theme").click();
  seen.light = look();
  $("theme").click();
  seen.dark = look();
  seen.focused = ["stage", "split", "gain", "in", "picture"].filter((id) => {
    $(id).focus();
    return document.activeElement === $(id);
  });
  return seen;
}

visit();
