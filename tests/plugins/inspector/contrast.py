"""A function for a browser: the texts in sight whose contrast with what is behind them is below 4.5."""

FAINT = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const isSeen = element.checkVisibility({ visibilityProperty: true }) && !element.closest("option");
    if (!isSeen || !texts.currentNode.data.trim()) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) {
      if (getComputedStyle(one).opacity !== "1") faint.push(`opacity of ${one.outerHTML.slice(0, 80)}`);
      behind.unshift(getComputedStyle(one).backgroundColor);
    }
    const colours = [paint(behind), paint([...behind, getComputedStyle(element).color])].map(light).sort();
    const contrast = colours[1] / colours[0];
    if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
  }
  return faint;
}"""
