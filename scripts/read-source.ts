/** What the layer lint must know of one TypeScript file: what it imports and which names it uses. */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { parseSync } from 'oxc-parser';

export interface Use {
  /** A module name (`node:` always written out; '' when it is computed), or an identifier. */
  name: string;
  line: number;
}

export interface Source {
  /** import, import type, export from, import(), import('x').T, require(), getBuiltinModule(). */
  imports: Use[];
  /** Every identifier that is read or declared; the names of properties are not among them. */
  identifiers: Use[];
  /** Math.random and its disguises, import.meta. */
  impureForms: Use[];
  errors: { line: number; message: string }[];
}

interface Node {
  type: string;
  start: number;
  [key: string]: unknown;
}

export function readSource(path: string): Source {
  const text = readFileSync(path, 'utf8');
  const { program, errors } = parseSync(path, text);
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  const source: Source = { imports: [], identifiers: [], impureForms: [], errors: [] };
  for (const error of errors) {
    source.errors.push({ line: lineAt(error.labels[0]?.start ?? 0), message: error.message });
  }
  walk(program as unknown as Node, undefined, (node, parent) => {
    const line = () => lineAt(node.start);
    const module = importedBy(node);
    if (module !== undefined) source.imports.push({ name: module, line: line() });
    if (node.type === 'Identifier' && !isPropertyName(node, parent)) {
      source.identifiers.push({ name: node.name as string, line: line() });
    }
    const impure = impureForm(node, parent);
    if (impure) source.impureForms.push({ name: impure, line: line() });
  });
  return source;
}

function walk(node: Node, parent: Node | undefined, visit: (n: Node, p?: Node) => void): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, node, visit);
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** The module that this node imports, '' when its name is computed, undefined when it does not. */
function importedBy(node: Node): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return node.source ? moduleName(node.source) : undefined;
    case 'TSExternalModuleReference':
      return moduleName(node.expression);
    case 'CallExpression': {
      const callee = node.callee as Node;
      const property = callee.type === 'MemberExpression' ? (callee.property as Node) : undefined;
      const requires =
        callee.name === 'require' ||
        property?.name === 'getBuiltinModule' ||
        property?.value === 'getBuiltinModule';
      return requires ? moduleName((node.arguments as unknown[])[0]) : undefined;
    }
    default:
      return undefined;
  }
}

function moduleName(source: unknown): string {
  const literal = isNode(source) ? source : undefined;
  const name = literal?.type === 'TemplateLiteral' ? wholeTemplate(literal) : literal?.value;
  if (typeof name !== 'string') return '';
  return isBuiltin(name) && !name.startsWith('node:') ? `node:${name}` : name;
}

function wholeTemplate(template: Node): string | undefined {
  const [first, ...more] = template.quasis as { value: { cooked: string } }[];
  return more.length === 0 ? first?.value.cooked : undefined;
}

/** `.process`, `{ process: 1 }` and `process(): void` name a property; `[process]` reads a variable. */
function isPropertyName(node: Node, parent: Node | undefined): boolean {
  if (!parent || parent.computed === true || parent.shorthand === true) return false;
  if (parent.type === 'MemberExpression') return parent.property === node;
  if (parent.type === 'ImportSpecifier') return parent.imported === node && parent.local !== node;
  if (parent.type === 'TSQualifiedName') return parent.right === node;
  return parent.key === node;
}

function impureForm(node: Node, parent: Node | undefined): string | undefined {
  // import.meta carries paths and the environment; new.target is the other MetaProperty.
  if (node.type === 'MetaProperty' && (node.meta as Node).name === 'import') {
    return 'import.meta';
  }
  if (node.type !== 'Identifier' || node.name !== 'Math' || isPropertyName(node, parent)) {
    return undefined;
  }
  const named = parent?.type === 'MemberExpression' && parent.computed === false;
  if (!named) return 'Math but as Math.<name>, so that Math.random cannot hide';
  return (parent.property as Node).name === 'random' ? 'Math.random' : undefined;
}
