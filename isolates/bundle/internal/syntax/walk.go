// Package syntax walks over goja's syntax trees.
//
// Invariant: Children yields every node that can hold code or names, in source order, so that what a walk does not meet is not
// in the program. A kind of node that it does not know is a panic, not silence: goja's parser may grow.
package syntax

import (
	"fmt"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
)

// Parse reads a module's body. Positions in the tree are byte offsets into source, plus one.
func Parse(path, source string) (*ast.Program, error) {
	return parser.ParseFile(nil, path, source, 0, parser.WithDisableSourceMaps)
}

// Walk calls visit for node and, where that returns true, for what it contains.
func Walk(node ast.Node, visit func(ast.Node) bool) {
	if !visit(node) {
		return
	}
	Children(node, func(child ast.Node) { Walk(child, visit) })
}

// Children calls yield for each node directly inside of node.
func Children(node ast.Node, yield func(ast.Node)) {
	switch n := node.(type) {
	case *ast.Program:
		each(n.Body, yield)
	case *ast.ParameterList:
		each(n.List, yield)
		one(n.Rest, yield)
	case *ast.ExpressionBody:
		yield(n.Expression)
	case *ast.CaseStatement:
		one(n.Test, yield)
		each(n.Consequent, yield)
	case *ast.CatchStatement:
		one(n.Parameter, yield)
		yield(n.Body)
	case ast.Expression:
		expressionChildren(n, yield)
	case ast.Statement:
		statementChildren(n, yield)
	case ast.ClassElement:
		classElementChildren(n, yield)
	default:
		loopChildren(n, yield)
	}
}

// one yields a node that may be absent.
func one(n ast.Node, yield func(ast.Node)) {
	if n != nil {
		yield(n)
	}
}

func each[N ast.Node](list []N, yield func(ast.Node)) {
	for _, n := range list {
		if any(n) != nil {
			yield(n)
		}
	}
}

func expressionChildren(node ast.Expression, yield func(ast.Node)) {
	switch n := node.(type) {
	case *ast.Identifier, *ast.PrivateIdentifier, *ast.BooleanLiteral, *ast.NullLiteral, *ast.NumberLiteral, *ast.StringLiteral,
		*ast.RegExpLiteral, *ast.ThisExpression, *ast.SuperExpression, *ast.MetaProperty, *ast.BadExpression:
	case *ast.Binding:
		yield(n.Target)
		one(n.Initializer, yield)
	case *ast.YieldExpression:
		one(n.Argument, yield)
	case *ast.AwaitExpression:
		one(n.Argument, yield)
	case *ast.ArrayLiteral:
		each(n.Value, yield)
	case *ast.ArrayPattern:
		each(n.Elements, yield)
		one(n.Rest, yield)
	case *ast.AssignExpression:
		yield(n.Left)
		yield(n.Right)
	case *ast.BinaryExpression:
		yield(n.Left)
		yield(n.Right)
	case *ast.BracketExpression:
		yield(n.Left)
		yield(n.Member)
	case *ast.CallExpression:
		yield(n.Callee)
		each(n.ArgumentList, yield)
	case *ast.NewExpression:
		yield(n.Callee)
		each(n.ArgumentList, yield)
	case *ast.ConditionalExpression:
		yield(n.Test)
		yield(n.Consequent)
		yield(n.Alternate)
	case *ast.DotExpression:
		yield(n.Left)
	case *ast.PrivateDotExpression:
		yield(n.Left)
	case *ast.OptionalChain:
		yield(n.Expression)
	case *ast.Optional:
		yield(n.Expression)
	case *ast.FunctionLiteral:
		yield(n.ParameterList)
		yield(n.Body)
	case *ast.ArrowFunctionLiteral:
		yield(n.ParameterList)
		yield(n.Body)
	case *ast.ClassLiteral:
		one(n.SuperClass, yield)
		each(n.Body, yield)
	case *ast.ObjectLiteral:
		each(n.Value, yield)
	case *ast.ObjectPattern:
		each(n.Properties, yield)
		one(n.Rest, yield)
	case *ast.PropertyShort:
		yield(&n.Name)
		one(n.Initializer, yield)
	case *ast.PropertyKeyed:
		yield(n.Key)
		one(n.Value, yield)
	case *ast.SpreadElement:
		yield(n.Expression)
	case *ast.SequenceExpression:
		each(n.Sequence, yield)
	case *ast.TemplateLiteral:
		one(n.Tag, yield)
		each(n.Expressions, yield)
	case *ast.UnaryExpression:
		yield(n.Operand)
	default:
		panic(fmt.Sprintf("syntax: unknown expression %T", node))
	}
}

func statementChildren(node ast.Statement, yield func(ast.Node)) {
	switch n := node.(type) {
	case *ast.BadStatement, *ast.BranchStatement, *ast.DebuggerStatement, *ast.EmptyStatement:
	case *ast.BlockStatement:
		each(n.List, yield)
	case *ast.DoWhileStatement:
		yield(n.Body)
		yield(n.Test)
	case *ast.ExpressionStatement:
		yield(n.Expression)
	case *ast.ForInStatement:
		yield(n.Into)
		yield(n.Source)
		yield(n.Body)
	case *ast.ForOfStatement:
		yield(n.Into)
		yield(n.Source)
		yield(n.Body)
	case *ast.ForStatement:
		one(n.Initializer, yield)
		one(n.Test, yield)
		one(n.Update, yield)
		yield(n.Body)
	case *ast.IfStatement:
		yield(n.Test)
		yield(n.Consequent)
		one(n.Alternate, yield)
	case *ast.LabelledStatement:
		yield(n.Statement)
	case *ast.ReturnStatement:
		one(n.Argument, yield)
	case *ast.SwitchStatement:
		yield(n.Discriminant)
		each(n.Body, yield)
	case *ast.ThrowStatement:
		one(n.Argument, yield)
	case *ast.TryStatement:
		yield(n.Body)
		if n.Catch != nil {
			yield(n.Catch)
		}
		if n.Finally != nil {
			yield(n.Finally)
		}
	case *ast.VariableStatement:
		each(n.List, yield)
	case *ast.LexicalDeclaration:
		each(n.List, yield)
	case *ast.WhileStatement:
		yield(n.Test)
		yield(n.Body)
	case *ast.WithStatement:
		yield(n.Object)
		yield(n.Body)
	case *ast.FunctionDeclaration:
		yield(n.Function)
	case *ast.ClassDeclaration:
		yield(n.Class)
	default:
		panic(fmt.Sprintf("syntax: unknown statement %T", node))
	}
}

func classElementChildren(node ast.ClassElement, yield func(ast.Node)) {
	switch n := node.(type) {
	case *ast.FieldDefinition:
		yield(n.Key)
		one(n.Initializer, yield)
	case *ast.MethodDefinition:
		yield(n.Key)
		yield(n.Body)
	case *ast.ClassStaticBlock:
		yield(n.Block)
	default:
		panic(fmt.Sprintf("syntax: unknown class element %T", node))
	}
}

func loopChildren(node ast.Node, yield func(ast.Node)) {
	switch n := node.(type) {
	case *ast.ForLoopInitializerExpression:
		yield(n.Expression)
	case *ast.ForLoopInitializerVarDeclList:
		each(n.List, yield)
	case *ast.ForLoopInitializerLexicalDecl:
		each(n.LexicalDeclaration.List, yield)
	case *ast.ForIntoVar:
		yield(n.Binding)
	case *ast.ForDeclaration:
		yield(n.Target)
	case *ast.ForIntoExpression:
		yield(n.Expression)
	default:
		panic(fmt.Sprintf("syntax: unknown node %T", node))
	}
}

// Names calls yield for each name that a binding target or an assignment target binds or assigns. Targets that are
// members, as in [a.b] = c, bind no name and are passed over.
func Names(target ast.Node, yield func(*ast.Identifier)) {
	switch t := target.(type) {
	case *ast.Identifier:
		yield(t)
	case *ast.Binding:
		Names(t.Target, yield)
	case *ast.AssignExpression: // a default inside of a pattern
		Names(t.Left, yield)
	case *ast.ArrayPattern:
		each(t.Elements, func(n ast.Node) { Names(n, yield) })
		one(t.Rest, func(n ast.Node) { Names(n, yield) })
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				yield(&p.Name)
			case *ast.PropertyKeyed:
				Names(p.Value, yield)
			}
		}
		one(t.Rest, func(n ast.Node) { Names(n, yield) })
	}
}
