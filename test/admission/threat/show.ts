/** A tree as one line of text, for tests that look at what a front end made of a source. */
import type {
  Expression,
  Pattern,
  ProgramTree,
  Statement,
} from '../../../src/admission/threat/tree.ts';

export const show = (tree: ProgramTree): string => statements(tree.body);

const statements = (body: readonly Statement[]): string => body.map(statement).join('; ');
const block = (body: readonly Statement[]): string => `{${statements(body)}}`;
const all = (of: readonly Expression[]): string => of.map(expression).join(', ');

export function statement(node: Statement): string {
  switch (node.kind) {
    case 'evaluate':
      return expression(node.expression);
    case 'bind': {
      const value = node.value === undefined ? '' : ` = ${expression(node.value)}`;
      return `${node.scope === 'function' ? 'var' : node.scope} ${pattern(node.target)}${value}`;
    }
    case 'define':
      return `def ${node.name} = ${expression(node.value)}`;
    case 'import':
      return `import ${node.module}(${node.bindings.map((b) => `${b.imported} as ${b.local}`).join(', ')})`;
    case 'branch': {
      const otherwise = node.otherwise.length === 0 ? '' : ` else ${block(node.otherwise)}`;
      const test = node.test === undefined ? '' : expression(node.test);
      return `if (${test}) ${block(node.then)}${otherwise}`;
    }
    case 'loop': {
      const of = node.item === undefined ? '' : `${pattern(node.item)} of `;
      const over = node.over === undefined ? '' : expression(node.over);
      const test = node.test === undefined ? '' : expression(node.test);
      return `loop (${of}${over}${test}) ${block(node.body)}`;
    }
    case 'try':
      return `try ${block(node.body)} ${block(node.handler)} ${block(node.finalizer)}`;
    case 'leave':
      return node.value === undefined ? node.how : `${node.how} ${expression(node.value)}`;
    case 'leavable':
    case 'block':
      return block(node.body);
  }
}

export function expression(node: Expression): string {
  switch (node.kind) {
    case 'constant':
      return typeof node.value === 'string' ? JSON.stringify(node.value) : String(node.value);
    case 'name':
      return node.name;
    case 'member':
      return node.key.kind === 'constant' && typeof node.key.value === 'string'
        ? `${expression(node.object)}.${node.key.value}`
        : `${expression(node.object)}[${expression(node.key)}]`;
    case 'call': {
      const named = node.named?.map(({ name, value }) => `${name}=${expression(value)}`) ?? [];
      const given = [...node.args.map(expression), ...named].join(', ');
      const input = node.input === undefined ? '' : ` < ${expression(node.input)}`;
      return `${expression(node.callee)}${node.form === 'command' ? '!' : ''}(${given}${input})`;
    }
    case 'function':
      return `(${node.parameters.map(pattern).join(', ')}) => ${block(node.body)}`;
    case 'operation':
      return `<${node.operator}>(${all(node.operands)})`;
    case 'joined':
      return `\`${node.parts.map((part) => (part.kind === 'constant' ? part.value : `\${${expression(part)}}`)).join('|')}\``;
    case 'list':
      return `[${all(node.items)}]`;
    case 'entries': {
      const entries = node.entries.map(
        ({ key, value }) => `${key === undefined ? '...' : expression(key)}: ${expression(value)}`,
      );
      const parent = node.parent === undefined ? '' : ` < ${expression(node.parent)}`;
      return `${node.isClass ? 'class' : ''}{${entries.join(', ')}}${parent}`;
    }
    case 'choice':
      return `(${node.test === undefined ? '' : `${expression(node.test)} ? `}${node.options.map(expression).join(' | ')})`;
    case 'assignment':
      return `${pattern(node.target)} ${node.operator ?? ''}= ${expression(node.value)}`;
    case 'through':
      return `#${node.operator}(${all(node.of)})`;
  }
}

function pattern(node: Pattern): string {
  switch (node.kind) {
    case 'name':
    case 'member':
      return expression(node);
    case 'list-pattern':
      return `[${node.items.map((item) => (item === undefined ? '' : pattern(item))).join(', ')}]`;
    case 'entries-pattern':
      return `{${node.entries.map(({ key, target }) => `${expression(key)}: ${pattern(target)}`).join(', ')}}`;
    case 'rest-pattern':
      return `...${pattern(node.target)}`;
    case 'default-pattern':
      return `${pattern(node.target)} = ${expression(node.value)}`;
  }
}
