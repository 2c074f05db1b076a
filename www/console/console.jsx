/** The console's entry: everything else hangs on this. */
import "./style/console.css";
import { render } from "preact";
import { Console } from "./shell.jsx";

const place = document.getElementById("console");
if (place) render(<Console />, place);
