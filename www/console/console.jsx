/** The console's entry point, which imports everything else. */
import "./style/console.css";
import { render } from "preact";
import { Console } from "./shell.jsx";

const place = document.getElementById("console");
if (place) render(<Console />, place);
